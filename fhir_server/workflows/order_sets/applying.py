"""An order set applied: a CarePlan with a RequestGroup and the drafts that it is about, all contained.

Nothing is stored: "none of the resources created by the operation are persisted in the server".
https://hl7.org/fhir/R4/plandefinition.html, https://hl7.org/fhir/R4/requestgroup.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.papers.words import text_of
from fhir_server.store import instant
from fhir_server.workflows.made import changed
from fhir_server.workflows.order_sets.case import Case, subject_of_plan, subject_type
from fhir_server.workflows.order_sets.containing import Contained
from fhir_server.workflows.order_sets.dynamic import put
from fhir_server.workflows.order_sets.expressions import applies, others, values
from fhir_server.workflows.order_sets.goals import goal
from fhir_server.workflows.order_sets.requests import TIMINGS, canonical_of, refuse, request
from fhir_server.workflows.order_sets.rules import CONTENT
from fhir_server.workflows.pattern import refusal
from resources.fhirpath.nodes import members, type_shape
from resources.patch.places import copied
from resources.validation import validate

Resource = Mapping[str, Any]

_SAME = (
    *("id", "prefix", "title", "description", "textEquivalent", "priority", "code", "documentation"),
    *(*TIMINGS, "type", "groupingBehavior", "selectionBehavior", "requiredBehavior", "precheckBehavior"),
    *("cardinalityBehavior", "relatedAction"),
)
_UNABLE = ("transform", "trigger", "modifierExtension")
_ACTION = "%action."
_TYPES = {
    "patient": "Patient",
    "practitioner": "Practitioner",
    "related-person": "RelatedPerson",
    "device": "Device",
}
_MOST_ISSUES = 10


@dataclass(frozen=True, slots=True)
class _Around:
    """What an action takes over from what it is in: the type of its subject, and why it is done."""

    subject: str
    reasons: Sequence[Resource] = ()


def applied(plan: Resource, case: Case) -> dict[str, Any]:
    """Return the CarePlan; raise the refusals of what is not understood, or makes no sense together."""
    refuse(plan, ("modifierExtension",), "PlanDefinition")
    subject = subject_of_plan(plan, case)
    held = Contained(plan)
    goals = [
        held.added(goal(one, case.reference(subject)), f"PlanDefinition.goal[{number}]")
        for number, one in enumerate(plan.get("goal", ()))
    ]
    actions = _Actions(case, held).of(plan.get("action", ()), _Around(subject), "PlanDefinition.action")
    canonical = canonical_of(plan)
    common = {
        "instantiatesCanonical": [canonical] if canonical else None,
        "status": "draft",
        "intent": "proposal",
        "subject": case.reference(subject),
        "encounter": case.in_encounter,
    }
    author = {"reference": case.practitioner} if case.practitioner else None
    group = changed(
        {"resourceType": "RequestGroup", **common},
        authoredOn=instant(case.now),
        author=author,
        action=_related(actions, _ids(actions)) or None,
    )
    activity = {"reference": held.added(group, "PlanDefinition")}
    found = changed(
        {"resourceType": "CarePlan", "contained": held.resources, **common},
        title=plan.get("title") or plan.get("name"),
        description=plan.get("description"),
        created=instant(case.now),
        author=case.requester,
        goal=goals or None,
        activity=[activity],
    )
    _check(found, held)
    return found


def _check(care_plan: dict[str, Any], held: Contained) -> None:
    """Refuse what comes of the order set if it is not valid, and name the action that it is of."""
    found = []
    for issue in validate(care_plan)[:_MOST_ISSUES]:
        place, path = held.whence(next(iter(issue.expression), ""))
        message = f"What is to come of it is not valid, at {path}: {issue.diagnostics}"
        found.append(CONTENT.broken(message, place))
    failure = refusal(found)
    if failure is not None:
        raise failure


@dataclass(frozen=True, slots=True)
class _Actions:
    """The actions of a RequestGroup, from those of an order set."""

    case: Case
    held: Contained

    def of(self, listed: Iterable[Resource], around: _Around, place: str) -> list[dict[str, Any]]:
        """Return those that apply; a group of which nothing applies does not."""
        found = (self._action(one, around, f"{place}[{number}]") for number, one in enumerate(listed))
        return [one for one in found if one is not None]

    def _action(self, action: Resource, around: _Around, place: str) -> dict[str, Any] | None:
        refuse(action, _UNABLE, place)
        subject = subject_type(action, around.subject, self.case, place)
        conditions = action.get("condition", ())
        if not applies(conditions, subject, self.case, place):
            return None
        within = _Around(subject, action.get("reason") or around.reasons)
        found = {name: copied(action[name]) for name in _SAME if name in action}
        found |= _filled("condition", copied(others(conditions)))
        found |= _filled("participant", self._participants(action, subject))
        if "action" not in action:
            found["resource"] = self._resource(action, found, within, place)
            return found
        if any(name in action for name in ("definitionCanonical", "definitionUri")):
            raise CONTENT.error("An action has a definition or actions of its own, not both", place)
        self._dynamic(action, None, found, subject, place)
        found["action"] = self.of(action["action"], within, f"{place}.action")
        return found if found["action"] else None

    def _participants(self, action: Resource, subject: str) -> list[dict[str, str]]:
        """Return who takes part: the subject where it is the patient, else somebody of a kind."""
        found = []
        for one in action.get("participant", ()):
            if one["type"] == "patient" == subject.lower() and "role" not in one:
                found.append(self.case.reference(subject))
            else:
                name = text_of(one.get("role")) or one["type"]
                found.append({"type": _TYPES[one["type"]], "display": name})
        return found

    def _resource(
        self, action: Resource, made: dict[str, Any], within: _Around, place: str
    ) -> dict[str, str]:
        """Return a reference to what an action is about: the draft by its definition, or a Task in words."""
        canonical = action.get("definitionCanonical")
        definition: Resource = {"kind": "Task"} if canonical is None else self.case.definitions[canonical]
        kind = definition.get("resourceType", "ActivityDefinition")
        if kind == "Questionnaire" and "dynamicValue" not in action:
            stored = f"Questionnaire/{definition.get('id')}"
            reference = canonical if str(canonical).startswith("#") else stored
            return self.held.taken({"reference": reference}, self.held.plan, place)
        if kind != "ActivityDefinition":
            raise CONTENT.error(f"An action by a {kind} is not carried out here", place)
        if "title" in definition:
            made.setdefault("title", definition["title"])
        if "description" in definition:
            made.setdefault("description", definition["description"])
        subject = subject_type(definition, within.subject, self.case, place)
        draft = copied(request(definition, action, subject, within.reasons, self.case, place))
        if "definitionUri" in action:
            draft["instantiatesUri"] = action["definitionUri"]
        self._dynamic(definition, draft, None, subject, place)
        self._dynamic(action, draft, made, within.subject, place)
        container = self.held.plan if (canonical or "#").startswith("#") else definition
        return self.held.added(self.held.taken(draft, container, place), place)

    def _dynamic(
        self,
        holder: Resource,
        draft: dict[str, Any] | None,
        made: dict[str, Any] | None,
        subject: str,
        place: str,
    ) -> None:
        """Fill in what the dynamic values of a definition or an action say, in their order."""
        for number, one in enumerate(holder.get("dynamicValue", ())):
            where = f"{place}.dynamicValue[{number}]"
            found = values(one.get("expression"), subject, self.case, where)
            path = str(one.get("path", ""))
            is_of_action = path.startswith(_ACTION) and made is not None
            target = made if is_of_action else draft
            if target is None:
                raise CONTENT.error("There is no request of which this could be said", where)
            shape = (
                members(type_shape("RequestGroup"))["action"]["action"]
                if is_of_action
                else type_shape(target["resourceType"])
            )
            try:
                put(target, shape, path.removeprefix(_ACTION) if is_of_action else path, found)
            except ValueError as failure:
                raise CONTENT.error(f"This dynamic value is not carried out: {failure}", where) from None


def _filled(name: str, listed: list[Any]) -> dict[str, Any]:
    return {name: listed} if listed else {}


def _ids(actions: Iterable[Resource]) -> frozenset[str]:
    found: set[str] = set()
    for one in actions:
        found |= {one["id"]} if "id" in one else set()
        found |= _ids(one.get("action", ()))
    return frozenset(found)


def _related(actions: list[dict[str, Any]], ids: frozenset[str]) -> list[dict[str, Any]]:
    """Leave out what relates an action to one that does not apply: there is nothing to wait for."""
    for one in actions:
        kept = [other for other in one.pop("relatedAction", ()) if other["actionId"] in ids]
        one |= _filled("relatedAction", kept)
        _related(one.get("action", []), ids)
    return actions
