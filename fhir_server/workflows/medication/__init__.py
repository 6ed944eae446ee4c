"""W6, medication: prescriptions, what the pharmacy hands out on them, and what is given to patients."""
