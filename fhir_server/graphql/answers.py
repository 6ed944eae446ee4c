"""The answer to a query as JSON: `data`, or the errors, each with an OperationOutcome.

"SHALL return a 200 ok with a "data" field, or a 3xx, 4xx or 5xx response with a graphQL error"
https://hl7.org/fhir/R4/graphql.html#errors
"""

from collections.abc import Sequence
from typing import Any

from graphql import GraphQLError

from fhir_server.context import Response
from fhir_server.errors import error_response
from resources.operation_outcome import FhirError, Issue, error, operation_outcome


def data(found: dict[str, Any]) -> Response:
    """Return the answer that gives what was found."""
    return Response(200, document={"data": found})


def failed(failure: FhirError) -> Response:
    """Return the answer that tells of `failure`, with the status that it has everywhere."""
    rendered = error_response(failure)
    errors = [_error(issue, ()) for issue in failure.issues]
    return Response(
        rendered.status,
        rendered.resource,
        rendered.version,
        allow=rendered.allow,
        document={"data": None, "errors": errors},
    )


def invalid(errors: Sequence[GraphQLError]) -> Response:
    """Return the answer to a query that is not valid: 400, with the places that the errors are about."""
    issues = [error("invalid", failure.message) for failure in errors]
    pairs = zip(issues, errors, strict=True)
    listed = [_error(issue, failure.locations or ()) for issue, failure in pairs]
    return Response(400, operation_outcome(issues), document={"data": None, "errors": listed})


def _error(issue: Issue, locations: Sequence[Any]) -> dict[str, Any]:
    places = [{"line": place.line, "column": place.column} for place in locations]
    return {
        "message": issue.diagnostics,
        **({"locations": places} if places else {}),
        "extensions": {"resource": operation_outcome([issue])},
    }
