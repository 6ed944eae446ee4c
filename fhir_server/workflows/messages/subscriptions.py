"""Subscriptions, which are not carried out here: one that somebody relies on is refused, not kept silently.

People are told by notices and CommunicationRequests. https://hl7.org/fhir/R4/subscription.html
"""

from collections.abc import Iterable

from fhir_server.workflows.pattern import Change, Rule, Violation
from fhir_server.workflows.situation import Situation

SUBSCRIPTION = Rule(
    "W14.subscription",
    "No criteria of Subscriptions are allowed; one that is off may be kept.",
    422,
    "not-supported",
)


def check(change: Change, _facts: None, _situation: Situation) -> Iterable[Violation]:
    """Refuse what nobody would carry out."""
    if change.after is not None and change.after.get("status") in ("requested", "active"):
        text = "Subscriptions are not carried out here, by no criteria: notices and CommunicationRequests are"
        yield SUBSCRIPTION.broken(text, "Subscription.criteria")
