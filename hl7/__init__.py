"""HL7 v2 messages as bytes and text, and the MLLP framing; no sockets."""
