"""HL7 v2: which systems are told of changes, and what operators do about messages that do not go through."""
