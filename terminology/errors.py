"""Why the codes of a value set are not told."""

from resources.operation_outcome import FhirError, TooCostly, UnprocessableContent, error


class NotExpandableError(Exception):
    """The codes of a part of a value set cannot be told; another account of them may be at hand.

    `code` is one of https://hl7.org/fhir/R4/valueset-issue-type.html, `reason` is for people.
    """

    def __init__(self, code: str, reason: str) -> None:
        """Carry what a client is told."""
        super().__init__(reason)
        self.code, self.reason = code, reason


def refusal(what: str, failure: NotExpandableError) -> FhirError:
    """Return the error that tells a client that `what` cannot be done, and why."""
    kind = TooCostly if failure.code == "too-costly" else UnprocessableContent
    return kind(error(failure.code, f"{what}: {failure.reason}"))
