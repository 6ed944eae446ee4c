"""W9, insurance: coverages, whether they pay, claims, and what comes of them."""
