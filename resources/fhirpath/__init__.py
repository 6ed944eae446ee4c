"""FHIRPath expressions as data: `parse` turns text into the nodes of `resources.fhirpath.syntax`.

Source: http://hl7.org/fhirpath/N1/, https://hl7.org/fhir/R4/fhirpath.html
"""

from resources.fhirpath.lexer import FhirPathSyntaxError
from resources.fhirpath.parser import parse
from resources.fhirpath.syntax import Expression

__all__ = ["Expression", "FhirPathSyntaxError", "parse"]
