"""Code tables: what a code of HL7 v2 is in FHIR.

`guide.json` has those rows of the guide's concept maps in which the code changes; `python -m
tests.adapters.to_fhir.code_tables` writes it. What the guide leaves out is in `ours.py`, and published in
docs/hl7v2/mapping.md. A code of any other table `0nnn` keeps itself, under
`http://terminology.hl7.org/CodeSystem/v2-0nnn`.
"""
