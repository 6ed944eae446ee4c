"""Loads files of FHIR resources into any FHIR server, over its REST interface and nothing else."""
