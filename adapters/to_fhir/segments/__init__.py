"""Segments of HL7 v2 as resources of FHIR, https://hl7.org/fhir/uv/v2mappings/segment_maps.html"""
