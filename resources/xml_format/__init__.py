"""XML in and out, by the dicts that the JSON format reads and writes: JSON to XML to JSON is the identity.

Expat of Python's standard library reads it: docs/decisions/0008-xml.md.

Source: https://hl7.org/fhir/R4/xml.html
"""

from resources.xml_format.reading import parse
from resources.xml_format.writing import dumps

__all__ = ["dumps", "parse"]
