"""What results and reports have in common: they answer orders, and are corrected rather than changed.

https://hl7.org/fhir/R4/diagnosticreport.html#notes
"""

from collections.abc import Iterable, Sequence

from fhir_server.workflows.orders.rules import FINAL, NO_ORDER, ORDER_OPEN, SAME_PATIENT, UNSATISFACTORY
from fhir_server.workflows.orders.vocabulary import (
    FINAL_STATES,
    Resource,
    content,
    is_final,
    references,
    subject,
)
from fhir_server.workflows.pattern import Change, Violation
from fhir_server.workflows.situation import Situation

_ANSWERED = frozenset({"active", "on-hold", "completed"})
_WITHDRAWN = frozenset({"cancelled", "entered-in-error"})


def corrected(change: Change) -> bool:
    """Tell whether something that was final says something else from now on, or is withdrawn."""
    before, after = change.before, change.after
    if before is None or after is None or not is_final(before):
        return False
    return content(before) != content(after) and after.get("status") in FINAL_STATES | _WITHDRAWN


def answering(
    change: Change,
    orders: Sequence[Resource],
    specimens: Sequence[Resource],
    results: Sequence[Resource],
    situation: Situation,
) -> Iterable[Violation]:
    """Yield what is wrong with a result or report as the answer to `orders`."""
    answer, before, kind, base_url = change.after, change.before, change.resource_type, situation.base_url
    assert answer is not None  # noqa: S101 - see the callers
    whose = subject(answer, base_url)
    for element, listed in (("basedOn", orders), ("specimen", specimens), ("result", results)):
        if any(subject(one, base_url) != whose for one in listed):
            yield SAME_PATIENT.broken("What it refers to is about another subject", f"{kind}.{element}")
    is_still_final = before is not None and before.get("status") == answer.get("status") == "final"
    if is_still_final and content(before or {}) != content(answer):
        yield FINAL.broken("It stays final, but says something else", f"{kind}.status")
    if answer.get("status") in _WITHDRAWN:
        return
    is_new = before is None or before.get("basedOn") != answer.get("basedOn")
    asked = references(answer, "basedOn", base_url, "ServiceRequest")
    if is_new and not asked and situation.settings.results_need_order == "on":
        yield NO_ORDER.broken("It answers no order", f"{kind}.basedOn")
    if is_new and any(order.get("status") not in _ANSWERED for order in orders):
        yield ORDER_OPEN.broken("The order is not active any more, or not yet", f"{kind}.basedOn")
    if before is None and any(one.get("status") == "unsatisfactory" for one in specimens):
        yield UNSATISFACTORY.broken("The specimen is unsatisfactory", f"{kind}.specimen")
