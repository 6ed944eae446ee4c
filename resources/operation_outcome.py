"""Issues, and the one tree of errors that carries them; rendered as an OperationOutcome in exactly one place.

Code raises; nobody catches on the way. What an error means to a caller (an HTTP status, an entry's outcome in
a batch, an ERR segment) is decided by the renderer from the class alone.

    FhirError
    ├── InvalidContent         what came in cannot be read as the FHIR that it claims to be
    ├── InvalidSearch          a search parameter, modifier or value that is not understood
    ├── UnprocessableContent   readable FHIR that breaks a rule: a binding, a cardinality, a business rule
    ├── ResourceNotFound       no such resource, version or resource type
    ├── ResourceDeleted        the resource was there and is deleted
    ├── PageLinkExpired        a link to a page that was good for some time, and no longer is
    ├── Conflict               the write collides with another one
    ├── PreconditionFailed     If-Match or a conditional interaction does not hold
    ├── PreconditionRequired   a version has to be named (If-Match), and none is
    ├── NotSupported           an interaction that this server does not offer for this target
    ├── NotAcceptable          a response format that this server does not write
    ├── UnsupportedMediaType   a request format that this server does not read
    ├── ContentTooLarge        more than the server or its database takes in one piece
    ├── TooCostly              the work would take longer than the server grants one request
    ├── TooBusy                too much work of this kind is going on now; trying again later may help
    └── StoreUnavailable       the database cannot be reached now; trying again later may help

Source: https://hl7.org/fhir/R4/operationoutcome.html, https://hl7.org/fhir/R4/http.html#Status-Codes
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

MOST_ISSUES = 1000
"""An outcome lists no more, lest a body of a million mistakes gets a million issues back."""

RULES = "urn:fhir-hospital-server:rules"
"""The code system of the rules of the hospital's work; docs/workflows.md lists them."""

Severity = Literal["fatal", "error", "warning", "information"]


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding: what is wrong (or notable) and where.

    `code` is from https://hl7.org/fhir/R4/valueset-issue-type.html; `diagnostics` is for people and never
    holds patient data; `expression` holds FHIRPaths such as `Patient.name[0].given[1]`. `rule` is the id of
    the rule of the hospital's work that is broken, such as `W3.double-booking`.
    """

    severity: Severity
    code: str
    diagnostics: str
    expression: tuple[str, ...] = ()
    rule: str | None = None

    def as_fhir(self) -> dict[str, Any]:
        """Return this issue as an element of `OperationOutcome.issue`."""
        issue: dict[str, Any] = {
            "severity": self.severity,
            "code": self.code,
            "diagnostics": self.diagnostics,
        }
        if self.rule is not None:
            issue["details"] = {"coding": [{"system": RULES, "code": self.rule}]}
        if self.expression:
            issue["expression"] = list(self.expression)
        return issue


def error(code: str, diagnostics: str, *expression: str) -> Issue:
    """Return an issue of severity `error`; `expression` are the FHIRPaths that it is about."""
    return Issue("error", code, diagnostics, expression)


def operation_outcome(issues: Iterable[Issue]) -> dict[str, Any]:
    """Return an OperationOutcome resource with the given issues; one that says "all ok" if there are none.

    After MOST_ISSUES issues one more says that the others are not listed.
    """
    remaining = iter(issues)
    listed = list(islice(remaining, MOST_ISSUES)) or [Issue("information", "informational", "All OK")]
    if next(remaining, None) is not None:
        listed.append(_NOT_LISTED)
    return {"resourceType": "OperationOutcome", "issue": [issue.as_fhir() for issue in listed]}


_NOT_LISTED = Issue("information", "incomplete", f"Issues after the first {MOST_ISSUES} are not listed")


class FhirError(Exception):
    """Anything that a FHIR client is told as an OperationOutcome; `issues` is never empty."""

    def __init__(self, *issues: Issue) -> None:
        """Carry `issues`, the first being the one that matters most."""
        if not issues:
            raise ValueError("an error needs at least one issue")
        super().__init__("; ".join(issue.diagnostics for issue in issues))
        self.issues = issues


class InvalidContent(FhirError):
    """The body is not JSON, not a resource, or has elements and values that FHIR does not know."""


class InvalidSearch(FhirError):
    """A search parameter, modifier, prefix or value is unknown or malformed."""


class UnprocessableContent(FhirError):
    """The resource is readable, but breaks a rule of FHIR or of the hospital."""


class Unauthenticated(FhirError):
    """It is not known who makes the request, or what proves it is wrong or over; `challenge` says why.

    That is what `WWW-Authenticate` holds: https://datatracker.ietf.org/doc/html/rfc6750#section-3
    """

    def __init__(self, *issues: Issue, challenge: str) -> None:
        """Carry `issues` and the challenge."""
        super().__init__(*issues)
        self.challenge = challenge


class Forbidden(FhirError):
    """Whoever makes the request is known, and may not do this."""


class ResourceNotFound(FhirError):
    """There is no such resource, version or resource type."""


class ResourceDeleted(FhirError):
    """The resource existed and is deleted; `version` is the version number that records the deletion."""

    def __init__(self, *issues: Issue, version: int) -> None:
        """Carry `issues` and the number of the version that is the deletion."""
        super().__init__(*issues)
        self.version = version


class PageLinkExpired(FhirError):
    """A link to another page of a search was followed too late; the search has to be made anew."""


class Conflict(FhirError):
    """The write collides with another write or with what is stored."""


class PreconditionFailed(FhirError):
    """`If-Match` does not hold, or a conditional interaction matches more than one resource."""


class PreconditionRequired(FhirError):
    """What exists is to be changed without `If-Match`, which this server was told to insist on."""


class NotSupported(FhirError):
    """The interaction is known, but not offered here; `allow` are the HTTP methods that are."""

    def __init__(self, *issues: Issue, allow: tuple[str, ...] = ()) -> None:
        """Carry `issues` and the methods that may be used instead."""
        super().__init__(*issues)
        self.allow = allow


class NotAcceptable(FhirError):
    """The client accepts only formats that this server does not write."""


class UnsupportedMediaType(FhirError):
    """The request's body is in a format that is not read here; `accept_patch` are those of patches."""

    def __init__(self, *issues: Issue, accept_patch: tuple[str, ...] = ()) -> None:
        """Carry `issues`, and for a patch the media types that it may have."""
        super().__init__(*issues)
        self.accept_patch = accept_patch


class ContentTooLarge(FhirError):
    """The request, a resource or a transaction is larger than can be stored in one piece."""


class TooCostly(FhirError):
    """The server gave up on the request, because it takes longer than one request may."""


class TooBusy(FhirError):
    """The server does as much of this kind of work as it will at a time; trying again later may help."""


class Throttled(TooBusy):
    """Whoever makes the request makes too many of them; the next may come in `seconds`."""

    def __init__(self, seconds: int) -> None:
        """Tell how long to wait."""
        super().__init__(error("throttled", f"Too many requests; wait {seconds} s"))
        self.seconds = seconds


class StoreUnavailable(FhirError):
    """The database cannot be reached; nothing was stored, and trying again later may help."""


class AuthorizationUnavailable(FhirError):
    """Who gives tokens does not answer, so nobody can tell whom one stands for; later may help."""


class ServiceUnavailable(FhirError):
    """Somebody outside, such as a payment gateway or an insurer, does not answer; later may help."""
