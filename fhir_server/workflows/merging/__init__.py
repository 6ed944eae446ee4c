"""Two records of one person made into one, and taken apart again; docs/workflows/registration.md.

https://build.fhir.org/patient-operation-merge.html
"""
