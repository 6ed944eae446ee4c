"""What each error means as an HTTP status; the only place that knows.

https://hl7.org/fhir/R4/http.html#Status-Codes
"""

from collections.abc import Mapping

from fhir_server.context import Response
from resources.operation_outcome import (
    AuthorizationUnavailable,
    Conflict,
    ContentTooLarge,
    FhirError,
    Forbidden,
    InvalidContent,
    InvalidSearch,
    NotAcceptable,
    NotSupported,
    PageLinkExpired,
    PreconditionFailed,
    PreconditionRequired,
    ResourceDeleted,
    ResourceNotFound,
    ServiceUnavailable,
    StoreUnavailable,
    Throttled,
    TooBusy,
    TooCostly,
    Unauthenticated,
    UnprocessableContent,
    UnsupportedMediaType,
    operation_outcome,
)

_STATUS: Mapping[type[FhirError], int] = {
    InvalidContent: 400,
    InvalidSearch: 400,
    # "by returning 400 Client Error status codes when no If-Match header is found" (#concurrency)
    PreconditionRequired: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    ResourceNotFound: 404,
    NotSupported: 405,
    NotAcceptable: 406,
    TooCostly: 408,
    Conflict: 409,
    PageLinkExpired: 410,
    ResourceDeleted: 410,
    PreconditionFailed: 412,
    ContentTooLarge: 413,
    UnsupportedMediaType: 415,
    UnprocessableContent: 422,
    TooBusy: 429,
    StoreUnavailable: 503,
    AuthorizationUnavailable: 503,
    ServiceUnavailable: 503,
}


def error_response(failure: FhirError) -> Response:
    """Return the answer that tells a client of `failure`."""
    version = failure.version if isinstance(failure, ResourceDeleted) else None
    allow = failure.allow if isinstance(failure, NotSupported) else ()
    accept_patch = failure.accept_patch if isinstance(failure, UnsupportedMediaType) else ()
    outcome = operation_outcome(failure.issues)
    return Response(
        status_of(failure), outcome, version, None, None, allow, accept_patch, headers=_headers(failure)
    )


def _headers(failure: FhirError) -> tuple[tuple[str, str], ...]:
    if isinstance(failure, Unauthenticated):
        return (("www-authenticate", failure.challenge),)
    if isinstance(failure, Throttled):
        return (("retry-after", str(failure.seconds)),)
    return ()


def status_of(failure: FhirError) -> int:
    """Return the HTTP status of `failure`, which may be of a class that is derived from one of the tree."""
    return next(_STATUS[kind] for kind in type(failure).__mro__ if kind in _STATUS)
