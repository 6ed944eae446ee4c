"""The FHIR R4 server: its HTTP face, store, search and (in later parts) access, workflows and audit."""

__version__ = "0.1.0"
