"""Insurers, each behind the interface in `payer.py`; they know neither FHIR nor the database."""
