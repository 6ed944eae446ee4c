"""The outside systems: mail servers, gateways for text messages, HL7 v2; none of it knows the server."""
