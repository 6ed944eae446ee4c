"""Messages of HL7 v2: which segments make which resources, and how these refer to each other.

https://hl7.org/fhir/uv/v2mappings/message_maps.html
"""
