"""All functions that expressions can call.

Source: http://hl7.org/fhirpath/N1/#functions-2, https://hl7.org/fhir/R4/fhirpath.html#functions
"""

from collections.abc import Mapping

from resources.fhirpath.functions.boundaries import BOUNDARIES
from resources.fhirpath.functions.collections import COLLECTIONS
from resources.fhirpath.functions.conversion import CONVERSION
from resources.fhirpath.functions.definition import Function
from resources.fhirpath.functions.existence import EXISTENCE
from resources.fhirpath.functions.fhir import FHIR
from resources.fhirpath.functions.mathematics import MATHEMATICS
from resources.fhirpath.functions.navigation import NAVIGATION
from resources.fhirpath.functions.strings import STRINGS

FUNCTIONS: Mapping[str, Function] = {
    **EXISTENCE,
    **COLLECTIONS,
    **CONVERSION,
    **STRINGS,
    **MATHEMATICS,
    **NAVIGATION,
    **BOUNDARIES,
    **FHIR,
}
"""The functions by name."""

__all__ = ["FUNCTIONS", "Function"]
