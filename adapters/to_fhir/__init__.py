"""From HL7 v2 messages to FHIR R4: pure functions over tables, each row of which says where it comes from.

The four levels are those of HL7's v2-to-FHIR guide, https://hl7.org/fhir/uv/v2mappings/: messages
(`messages/`), segments (`segments/`), datatypes (`datatypes/`), and codes (`tables/`).
"""
