"""What the evaluator knows of a function before it calls it.

Source: http://hl7.org/fhirpath/N1/#functions
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from resources.fhirpath.items import Collection


@dataclass(frozen=True, slots=True)
class Function:
    """A function: `call(scope, items, *arguments)` returns its result for a collection.

    It has at least `least` and at most `most` arguments. They come as collections, evaluated where the
    function is called; as compiled expressions, for the function to evaluate on each item; as such
    expressions, each with whether it is descending; or, the only one, as the TypeSpecifier that it names.
    """

    call: Callable[..., Collection]
    least: int = 0
    most: int = 0
    takes: Literal["values", "expressions", "type", "sort keys"] = "values"
