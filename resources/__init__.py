"""FHIR R4 data: JSON in and out, definitions, validation, references, bundles, search parameters."""
