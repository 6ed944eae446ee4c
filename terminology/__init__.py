"""CodeSystem, ValueSet and ConceptMap operations."""
