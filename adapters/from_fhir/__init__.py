"""From FHIR R4 to HL7 v2: which change is told by which message, and what stands in it. No I/O."""
