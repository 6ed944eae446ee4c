"""What can go wrong while a well-formed expression is evaluated.

Source: http://hl7.org/fhirpath/N1/#type-safety-and-strict-evaluation
"""

from resources.operation_outcome import UnprocessableContent, error


class FhirPathEvaluationError(UnprocessableContent):
    """The expression cannot be evaluated on this resource: a wrong type, too many items, an unknown name."""

    def __init__(self, message: str, code: str = "processing") -> None:
        """Carry one issue that says what is wrong; never with a value of the resource in it."""
        super().__init__(error(code, f"FHIRPath: {message}"))
