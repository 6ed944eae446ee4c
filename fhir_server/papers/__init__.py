"""What the hospital hands out on paper: prescriptions, reports, summaries, invoices and receipts, as PDF."""
