"""The commands of the `fhir-server` program, one module each."""
