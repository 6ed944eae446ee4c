"""A black-box audit of any FHIR server; imports none of the server's code."""
