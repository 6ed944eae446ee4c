"""What a message makes of a result or report that is there: a correction, a step forward, or nothing. Pure.

What is older (OBR-22), or preliminary after the final, is not applied. What was final and says something
else is corrected, though its sender calls it final once more. HL7 v2.5.1 table 0085, table 0123
"""

from typing import Any, Literal

from fhir_server.hl7v2.joining import is_same, joined
from fhir_server.search.intervals import interval
from fhir_server.workflows.orders.vocabulary import FINAL_STATES

Resource = dict[str, Any]
Verdict = Literal["new", "older", "earlier"]

_RANK = {"registered": 0, "partial": 1, "preliminary": 1, "unknown": 0}
_WHOLE = (
    *("value", "component", "interpretation", "referenceRange", "dataAbsentReason", "note", "method"),
    *("effective", "issued", "device", "bodySite"),
)
"""Elements of a result of which a message always has all: without a flag, there is none any more."""


def verdict(before: Resource | None, said: Resource, order: str) -> Verdict:
    """Tell whether a report says something `new`, is `older` than what is known, or of an `earlier` state."""
    if before is None:
        return "new"
    known = before.get("issued")
    if order and known and interval(order)[0] < interval(known)[0]:
        return "older"
    if before.get("status") in FINAL_STATES and said.get("status") in _RANK:
        return "earlier"
    return "new"


def next_report(before: Resource | None, said: Resource, listed: frozenset[str]) -> Resource:
    """Return the report after a message."""
    if before is None:
        return dict(said)
    after = joined(before, said, listed)
    return _as_corrected(before, after)


def next_result(before: Resource | None, said: Resource) -> Resource:
    """Return the result after a message."""
    if before is None:
        return dict(said)
    rest = {
        name: one
        for name, one in before.items()
        if not any(name.lstrip("_").startswith(element) for element in _WHOLE)
    }
    after = joined(rest, said)
    return _as_corrected(before, {name: one for name, one in after.items() if one != []})


def _as_corrected(before: Resource, after: Resource) -> Resource:
    """Return what was final as corrected if it says something else, whatever its sender calls it."""
    was, now = before.get("status"), after.get("status")
    if was not in FINAL_STATES or now not in ("final", was):
        return after
    same = is_same({**before, "status": "", "issued": ""}, {**after, "status": "", "issued": ""})
    if same:
        return (
            dict(before)
            if is_same({**before, "issued": ""}, {**after, "status": was, "issued": ""})
            else after
        )
    return {**after, "status": "corrected"} if now == "final" else after
