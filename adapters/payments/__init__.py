"""Ways to pay, each behind the interface in `gateway.py`; they know neither FHIR nor the database."""
