"""The outside systems (HL7 v2 listeners and senders, later e-mail and payments); the only place where v2 meets FHIR."""
