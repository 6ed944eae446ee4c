"""Extended operations: one file per operation, named by its code, and one table of them.

https://hl7.org/fhir/R4/operations.html
"""
