"""The activities of a care plan, each of which goes its own way. https://hl7.org/fhir/R4/careplan.html"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fhir_server.workflows.encounters.rules import ACTIVITY, ACTIVITY_STATE
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]

_WHERE = "CarePlan.activity.detail.status"


def check(change: Change, _facts: Any, _situation: Situation) -> Iterable[Violation]:
    """Check each activity that was there before; one is known by its element id, or else by its place."""
    if change.before is None or change.after is None:
        return
    after = dict(_activities(change.after))
    for key, was in _activities(change.before):
        state = after.get(key)
        if state is None:
            if was not in ("not-started", "scheduled", "unknown"):
                yield ACTIVITY_STATE.broken("An activity that was begun stays in the plan", _WHERE)
        elif state != was and state not in ACTIVITY.get(was, ()):
            yield ACTIVITY_STATE.broken(f"{was} does not become {state}", _WHERE)


def _activities(plan: Resource) -> Iterator[tuple[str, str]]:
    for place, activity in enumerate(plan.get("activity", ())):
        state = activity.get("detail", {}).get("status")
        if state is not None:
            yield str(activity.get("id", place)), state


WATCH: Watch[Any] = Watch(frozenset({"CarePlan"}), check=check)
