"""W8, from what was done to what is paid: charges, invoices and payments."""
