"""The outside systems: HL7 v2 listeners and senders; the only place where HL7 v2 meets FHIR."""
