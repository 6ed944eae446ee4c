"""A hospital to explore: wards, staff and patients made up from a seed and a date, the same every time.

Nobody in it is real; every resource says so with the security label HTEST.
https://hl7.org/fhir/R4/v3/ActReason/cs.html
"""
