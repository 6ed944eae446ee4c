"""Refusals of the hospital's rules as errors of a message: a code of table 0357, and the rule's id.

HL7 v2.5.1 §2.15.5 (ERR); table 0357
"""

from adapters.applying import TryLater
from hl7.errors import (
    DATA_TYPE,
    DUPLICATE_KEY,
    INTERNAL_ERROR,
    REQUIRED_FIELD_MISSING,
    UNKNOWN_KEY,
    VALUE_TOO_LONG,
    HL7Error,
    Location,
)
from resources.operation_outcome import Conflict, FhirError, Issue, StoreUnavailable

_CODES = {
    "required": REQUIRED_FIELD_MISSING,
    "duplicate": DUPLICATE_KEY,
    "not-found": UNKNOWN_KEY,
    "value": DATA_TYPE,
    "code-invalid": DATA_TYPE,
    "too-long": VALUE_TOO_LONG,
}

# What the store says if it gave up against other writers; see `store.commit`.
_OTHERS = "Too many others"


class RuleBroken(HL7Error):
    """A message that a rule of the hospital's work refuses; a person has to look at it (AE).

    `rule` is the id of the rule, which is told in ERR-8 and in the quarantine.
    """

    answer = "AE"

    def __init__(self, text: str, *, code: str, rule: str, location: Location | None = None) -> None:
        super().__init__(text, code=code, location=location)
        self.rule = rule
        self.answer = "AE"


def refusal(failure: FhirError) -> Exception:
    """Return what becomes of a message whose resources are not stored because of `failure`.

    TryLater if it is not the message's own fault, else RuleBroken: its text is the rule's, in which there is
    no patient's data.
    """
    if isinstance(failure, StoreUnavailable):
        return failure
    first = failure.issues[0]
    if isinstance(failure, Conflict) and first.diagnostics.startswith(_OTHERS):
        return TryLater("others write the same records")
    return RuleBroken(
        _text(first), code=_CODES.get(first.code, INTERNAL_ERROR), rule=first.rule or first.code
    )


def _text(issue: Issue) -> str:
    rule = f"{issue.rule}: " if issue.rule else ""
    where = f" ({', '.join(issue.expression)})" if issue.expression else ""
    return f"{rule}{issue.diagnostics or issue.code}{where}"
