"""FHIRPath expressions, as far as search parameters use them (https://hl7.org/fhirpath/N1/)."""
