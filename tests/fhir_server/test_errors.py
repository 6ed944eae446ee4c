"""Each error has one status, whatever raises it. https://hl7.org/fhir/R4/http.html#Status-Codes"""

import pytest

from fhir_server.errors import error_response, status_of
from resources.fhirpath.errors import FhirPathEvaluationError
from resources.fhirpath.lexer import FhirPathSyntaxError
from resources.operation_outcome import FhirError, InvalidContent, TooBusy, error


def _subclasses(kind: type[FhirError]) -> set[type[FhirError]]:
    return {kind} | {inner for found in kind.__subclasses__() for inner in _subclasses(found)}


@pytest.mark.parametrize("kind", [FhirPathSyntaxError, FhirPathEvaluationError, InvalidContent, TooBusy])
def test_errors_of_derived_classes_have_the_status_of_their_kind(kind: type[FhirError]) -> None:
    """A class of its own, as FHIRPath's have it, means what its parent means."""
    failure = FhirError.__new__(kind)
    FhirError.__init__(failure, error("invalid", "wrong"))
    assert 400 <= status_of(failure) < 500
    assert error_response(failure).resource is not None


def test_no_error_of_the_tree_lacks_a_status() -> None:
    """Whoever adds a class says what it means."""
    for kind in _subclasses(FhirError) - {FhirError}:
        failure = FhirError.__new__(kind)
        FhirError.__init__(failure, error("invalid", "wrong"))
        assert 400 <= status_of(failure) < 600
