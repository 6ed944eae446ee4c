"""HL7 v2 within the server: messages taken and applied, and what operators do with them."""
