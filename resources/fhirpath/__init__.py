"""FHIRPath: `parse` turns text into data, `evaluate` selects from a resource what an expression asks for.

Source: http://hl7.org/fhirpath/N1/, https://hl7.org/fhir/R4/fhirpath.html
"""

from resources.fhirpath.errors import FhirPathEvaluationError
from resources.fhirpath.evaluation import evaluate, evaluate_items
from resources.fhirpath.lexer import FhirPathSyntaxError
from resources.fhirpath.nodes import Node
from resources.fhirpath.parser import parse
from resources.fhirpath.syntax import Expression

__all__ = [
    "Expression",
    "FhirPathEvaluationError",
    "FhirPathSyntaxError",
    "Node",
    "evaluate",
    "evaluate_items",
    "parse",
]
