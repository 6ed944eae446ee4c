"""What becomes of the actions of an order set: https://hl7.org/fhir/R4/plandefinition.html."""

from typing import Any

import pytest

from fhir_server.workflows.order_sets.applying import applied
from resources.fhirpath.nodes import root_node
from resources.operation_outcome import TooCostly, UnprocessableContent
from resources.patch.places import copied
from resources.validation import validate
from tests.fhir_server.workflows.order_sets.sets import (
    ENCOUNTER,
    PATIENT,
    about,
    action,
    activity,
    case,
    dynamic,
    group,
    held,
    order_set,
    when,
)
from tests.resources.validation.test_official_examples import examples, with_examples

Resource = dict[str, Any]

TEST = activity("ServiceRequest", code={"text": "CBC"}, title="Blood count", description="Before anything")
PLACE: Resource = {"resourceType": "Location", "id": "l", "status": "active"}


def titles(actions: list[Resource]) -> list[Any]:
    """Return the titles of actions, those of a group as a list."""
    return [titles(one["action"]) if "action" in one else one.get("title") for one in actions]


@pytest.mark.workflow("0-11")
def test_a_care_plan_has_a_group_of_what_is_proposed() -> None:
    """It says by which order set it is, of whom, in which encounter, by whom, and is valid as a whole."""
    told = {"url": "http://house.example/set", "version": "3", "title": "Sepsis", "description": "First hour"}
    facts = case(TEST, encounter=ENCOUNTER, practitioner="Practitioner/dr")
    found = applied(order_set(action(TEST), **told), facts)
    common = {
        "instantiatesCanonical": ["http://house.example/set|3"],
        "status": "draft",
        "intent": "proposal",
        "subject": {"reference": "Patient/p"},
        "encounter": {"reference": "Encounter/e"},
    }
    of_group = group(found)
    assert {name: found[name] for name in common} == {name: of_group[name] for name in common} == common
    assert (found["title"], found["description"]) == ("Sepsis", "First hour")
    assert found["author"] == of_group["author"] == {"reference": "Practitioner/dr"}
    assert found["created"] == of_group["authoredOn"] == "2026-11-28T09:00:00.000Z"
    assert "id" not in found
    assert validate(found) == []
    [one] = of_group["action"]
    assert (one["title"], one["description"]) == ("Blood count", "Before anything")


@pytest.mark.workflow("0-11")
def test_actions_stay_as_they_are_nested() -> None:
    """With how to choose among them, when, and what they wait for."""
    offset = {"offsetDuration": {"value": 1, "unit": "h", "system": "http://unitsofmeasure.org", "code": "h"}}
    choice = {
        "prefix": "1.",
        "title": "Medicines",
        "groupingBehavior": "logical-group",
        "selectionBehavior": "at-most-one",
        "requiredBehavior": "could",
        "precheckBehavior": "no",
        "cardinalityBehavior": "single",
        "priority": "stat",
        "code": [{"text": "x"}],
        "documentation": [{"type": "citation", "display": "why"}],
        "timingDuration": offset["offsetDuration"],
        "textEquivalent": "One of them",
    }
    first = action(TEST, id="first", title="A")
    after = {"actionId": "first", "relationship": "after-end", **offset}
    second = action(TEST, id="second", title="B", relatedAction=[after])
    found = applied(order_set({**choice, "action": [first, second]}, action(TEST, title="C")), case(TEST))
    actions = group(found)["action"]
    assert titles(actions) == [["A", "B"], "C"]
    assert {name: actions[0][name] for name in choice} == choice
    assert actions[0]["action"][1]["relatedAction"] == [after]
    assert len({one["resource"]["reference"] for one in (*actions[0]["action"], actions[1])}) == 3


@pytest.mark.workflow("0-11")
@pytest.mark.parametrize(
    ("conditions", "applies"),
    [
        ([when("Patient.gender = 'female'")], True),
        ([when("gender = 'male'")], False),
        ([when("gender = 'female'"), when("false")], False),
        ([when("birthDate <= today() - 18 years")], True),
        ([when("deceased = true")], False),  # which is not known
        ([when("%subject.id = 'p' and %encounter.class.code = 'IMP'")], True),
        ([when("%practitioner.exists() or %organization.exists()")], False),
        ([when("%setting.coding.code = 'IMP'")], True),
        ([when("%userType.exists()")], False),
        ([when("now() = @2026-11-28T09:00:00Z")], True),
        ([when("later", "start", "text/cql")], True),
    ],
)
def test_conditions_say_what_applies(conditions: list[Resource], applies: bool) -> None:
    """All of the kind applicability hold; those about start and stop are for whoever carries it out."""
    setting = root_node({"coding": [{"code": "IMP"}]}, "CodeableConcept")
    facts = case(TEST, encounter=ENCOUNTER, variables={"encounter": ENCOUNTER, "setting": setting})
    found = applied(order_set(action(TEST, condition=conditions)), facts)
    actions = group(found).get("action", [])
    assert bool(actions) is applies
    assert all(one.get("condition") in (None, conditions) for one in actions)
    assert [one.get("condition") for one in actions] == [conditions] or conditions[0]["kind"] != "start"
    assert validate(found) == []


@pytest.mark.workflow("0-11")
def test_a_group_applies_with_what_is_in_it() -> None:
    """Or not at all; what waits for an action that does not apply waits for nothing."""
    no = {"condition": [when("false")]}
    after = {"relatedAction": [{"actionId": "no", "relationship": "after"}]}
    plan = order_set(
        {"title": "none", "action": [action(TEST, **no), action(TEST, **no)]},
        {"title": "closed", **no, "action": [action(TEST)]},
        {
            "title": "open",
            "action": [action(TEST, id="no", title="A", **no), action(TEST, title="B", **after)],
        },
    )
    [one] = group(applied(plan, case(TEST)))["action"]
    assert (one["title"], titles(one["action"])) == ("open", ["B"])
    assert "relatedAction" not in one["action"][0]


@pytest.mark.workflow("0-11")
def test_what_is_for_is_taken_over() -> None:
    """The reason of a group is that of what is in it, unless it has one."""
    reason, other = [{"text": "sepsis"}], [{"text": "pain"}]
    plan = order_set({"reason": reason, "action": [action(TEST), action(TEST, reason=other)]})
    found = applied(plan, case(TEST))
    drafts = [held(found, one["resource"]) for one in group(found)["action"][0]["action"]]
    assert [one["reasonCode"] for one in drafts] == [reason, other]


@pytest.mark.workflow("0-11")
def test_an_action_in_words_is_a_task() -> None:
    """RequestGroup.action has a resource or actions (rqg-1); a definition elsewhere is named in the Task."""
    plan = order_set(
        {"title": "Mobilise", "reason": [{"text": "surgery"}]},
        {"textEquivalent": "Read this", "definitionUri": "http://elsewhere.example/x"},
    )
    found = applied(plan, case())
    first, second = (held(found, one["resource"]) for one in group(found)["action"])
    assert (first["resourceType"], first["description"], first["intent"]) == ("Task", "Mobilise", "option")
    assert first["reasonCode"] == {"text": "surgery"}
    assert (second["description"], second["instantiatesUri"]) == ("Read this", "http://elsewhere.example/x")
    assert validate(found) == []


@pytest.mark.workflow("0-11")
def test_a_form_is_what_is_to_be_filled_in() -> None:
    """The action refers to the Questionnaire, which may be contained."""
    stored: Resource = {
        "resourceType": "Questionnaire",
        "id": "q",
        "url": "http://x.example/q",
        "status": "active",
    }
    inside: Resource = {"resourceType": "Questionnaire", "id": "i", "status": "active"}
    plan = order_set(action(stored), action(inside), contained=[inside])
    found = applied(plan, case(stored, inside))
    first, second = (one["resource"] for one in group(found)["action"])
    assert first == {"reference": "Questionnaire/q"}
    assert held(found, second) == {**inside, "id": "questionnaire-1"}


@pytest.mark.workflow("0-11")
def test_what_a_definition_contains_comes_along_once() -> None:
    """A medicine, with what it refers to in turn."""
    substance = {"resourceType": "Substance", "id": "s", "code": {"text": "citalopram"}}
    medicine: Resource = {
        "resourceType": "Medication",
        "id": "m",
        "code": {"text": "citalopram 20 mg"},
        "ingredient": [{"itemReference": {"reference": "#s"}}],
    }
    product = {"productReference": {"reference": "#m"}}
    definition = activity("MedicationRequest", **product, contained=[medicine, substance])
    inside: Resource = {**activity("MedicationRequest", **product), "id": "rx", "status": "draft"}
    del inside["url"]
    plan = order_set(
        action(definition), action(definition), action(inside), contained=[inside, medicine, substance]
    )
    found = applied(plan, case(definition, inside))
    assert validate(found) == []
    drafts = [held(found, one["resource"]) for one in group(found)["action"]]
    used = [one["medicationReference"]["reference"] for one in drafts]
    assert used == ["#medication-1", "#medication-1", "#medication-2"]
    assert held(found, {"reference": used[2]})["ingredient"] == [
        {"itemReference": {"reference": "#substance-2"}}
    ]
    with pytest.raises(UnprocessableContent, match="not contained"):
        applied(order_set(action(inside), contained=[inside]), case(inside))


@pytest.mark.workflow("0-11")
def test_subjects_are_told_apart_by_their_types() -> None:
    """An action, all that is in it, and a definition are about a type of subject; expressions ask it."""
    room = activity("ServiceRequest", **about("Location")) | {"url": "http://house.example/room"}
    plan = order_set(
        {**about("Location"), "action": [action(TEST, condition=[when("status = 'active'")])]},
        action(room, dynamicValue=[dynamic("code.text", "gender")]),
        action(TEST),
    )
    found = applied(plan, case(TEST, room, subjects=(PATIENT, PLACE)))
    [within], second, third = (one.get("action") or one for one in group(found)["action"])
    subjects = [held(found, one["resource"])["subject"]["reference"] for one in (within, second, third)]
    assert subjects == ["Location/l", "Location/l", "Patient/p"]
    assert held(found, second["resource"])["code"] == {"text": "female"}  # the action is about the patient


@pytest.mark.workflow("0-11")
def test_who_takes_part_is_told() -> None:
    """The patient, and others by what they are."""
    people = [
        {"type": "patient"},
        {"type": "practitioner", "role": {"coding": [{"code": "rn", "display": "Nurse"}]}},
        {"type": "related-person"},
    ]
    found = applied(order_set(action(TEST, participant=people[:2])), case(TEST))
    [one] = group(found)["action"]
    assert one["participant"] == [
        {"reference": "Patient/p"},
        {"type": "Practitioner", "display": "Nurse"},
    ]
    found = applied(order_set({"action": [{"title": "x"}], "participant": people[2:]}), case())
    assert group(found)["action"][0]["participant"] == [
        {"type": "RelatedPerson", "display": "related-person"}
    ]


@pytest.mark.workflow("0-11")
def test_goals_are_proposed() -> None:
    """Each as a Goal of the patient, which the CarePlan names."""
    measured = {"measure": {"text": "BMI"}, "detailRange": {"high": {"value": 25}}}
    year = {"value": 1, "unit": "a", "system": "http://unitsofmeasure.org", "code": "a"}
    same = {"description": {"text": "BMI below 25"}, "priority": {"text": "medium"}}
    goal = {
        **same,
        "category": {"text": "dietary"},
        "start": {"text": "now"},
        "addresses": [{"coding": [{"display": "Obesity"}]}],
        "target": [{**measured, "due": year}],
    }
    found = applied(order_set(goal=[goal]), case())
    [reference] = found["goal"]
    assert held(found, reference) == {
        **same,
        "resourceType": "Goal",
        "id": "goal-1",
        "lifecycleStatus": "proposed",
        "subject": {"reference": "Patient/p"},
        "category": [{"text": "dietary"}],
        "startCodeableConcept": {"text": "now"},
        "addresses": [{"display": "Obesity"}],
        "target": [{**measured, "dueDuration": year}],
    }
    assert validate(found) == []


def test_dynamic_values_of_the_action_itself() -> None:
    """`%action` is the action as it becomes, of a group too."""
    said = [dynamic("%action.title", "'For ' + gender"), dynamic("%action.documentation.display", "'x'")]
    said.append(dynamic("%action.documentation.type", "'citation'"))
    plan = order_set(action(TEST, dynamicValue=said), {"dynamicValue": said[:1], "action": [action(TEST)]})
    first, second = group(applied(plan, case(TEST)))["action"]
    assert first["title"] == second["title"] == "For female"
    assert first["documentation"] == [{"type": "citation", "display": "x"}]


GROUP = {"action": [{"title": "x"}]}
FOREIGN = when("true", language="text/cql")
SAID = dynamic("%action.resource", "%subject")
# The action, what the refusal says, its rule's name and its place.
REFUSED: list[tuple[Resource, str, str, str]] = [
    (
        action(TEST, condition=[FOREIGN]),
        "Only expressions",
        "content",
        ".condition",
    ),
    (action(TEST, condition=[{"kind": "applicability"}]), "Only expressions", "content", ".condition"),
    (action(TEST, condition=[when("gender")]), "neither true nor false", "content", ".condition"),
    (action(TEST, condition=[when("true | false")]), "neither true nor false", "content", ".condition"),
    (action(TEST, condition=[when("birthDay.exists()")]), "no element birthDay", "content", ".condition"),
    (action(TEST, condition=[when("%weight > 3")]), "no variable", "content", ".condition"),
    (action(TEST, condition=[when("gender = ")]), "FHIRPath", "content", ".condition"),
    (action(TEST, transform="http://x.example"), "transform", "content", ""),
    (action(TEST, trigger=[{"type": "named-event", "name": "x"}]), "trigger", "content", ""),
    (action(TEST, modifierExtension=[{"url": "urn:x", "valueString": "x"}]), "modifierExt", "content", ""),
    (action(TEST, subjectReference={"reference": "Group/1"}), "members of one group", "content", ""),
    (action(TEST, subjectCodeableConcept={"text": "cows"}), "for none of Patient", "content", ""),
    (action(TEST, **about("Device")), "for a Device", "subject", ""),
    (action(TEST, **GROUP), "not both", "content", ""),
    ({**GROUP, "definitionUri": "urn:x"}, "not both", "content", ""),
    ({**GROUP, "dynamicValue": [dynamic("code", "%subject")]}, "no request", "content", ".dynamicValue[0]"),
    ({"definitionCanonical": "urn:p"}, "by a PlanDefinition", "content", ""),
    (
        action(TEST, dynamicValue=[SAID]),
        "not for",
        "content",
        ".dynamicValue[0]",
    ),
]


@pytest.mark.workflow("0-11")
@pytest.mark.parametrize(("given", "says", "rule", "place"), REFUSED)
def test_what_is_not_carried_out_is_refused(given: Resource, says: str, rule: str, place: str) -> None:
    """With the rule, the reason and the place in the order set."""
    nested: Resource = {"resourceType": "PlanDefinition", "url": "urn:p", "status": "active"}
    with pytest.raises(UnprocessableContent) as refused:
        applied(order_set({"title": "first"}, {"action": [given]}), case(TEST, nested))
    [issue] = refused.value.issues
    assert says in issue.diagnostics
    assert issue.rule == f"W7.order-set-{rule}"
    assert issue.expression == (f"PlanDefinition.action[1].action[0]{place}",)


@pytest.mark.workflow("0-11")
@pytest.mark.parametrize(
    "given", [about("Location"), about("Device"), {"subjectReference": {"display": "x"}}]
)
def test_a_care_plan_is_of_a_patient_or_a_group(given: Resource) -> None:
    """An order set for a place cannot be told as one."""
    with pytest.raises(UnprocessableContent) as refused:
        applied(order_set(**given), case(subjects=(PATIENT, PLACE)))
    assert refused.value.issues[0].expression == ("PlanDefinition.subject",)
    with pytest.raises(UnprocessableContent, match="names none"):
        applied(order_set(), case(subjects=(PLACE,)))
    people: Resource = {"resourceType": "Group", "id": "g", "type": "person", "actual": True}
    assert applied(order_set(), case(subjects=(people,)))["subject"] == {"reference": "Group/g"}


def test_all_expressions_share_one_limit() -> None:
    """Many small ones are as much work as a large one."""
    much = when("(1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9).repeat($this).count() > 0")
    with pytest.raises(TooCostly):
        applied(order_set(*[action(TEST, condition=[much]) for _ in range(20_000)]), case(TEST))


@with_examples
def test_official_order_sets() -> None:
    """Those of R4, without their CQL, become valid CarePlans of as many drafts as they have definitions."""
    for name, number in (("options-example", 2), ("low-suicide-risk-order-set", 2)):
        plan = copied(examples()[f"PlanDefinition-{name}"])
        told = [one for one in plan["contained"] if one["resourceType"] == "ActivityDefinition"]
        for one in told:
            one.pop("dynamicValue", None)
            one.pop("timingTiming", None)
        _without_values(plan)
        found = applied({**plan, "status": "active"}, case(*told))
        assert validate(found) == []
        drafts = [one for one in found["contained"] if one["resourceType"].endswith("Request")]
        assert [one["intent"] for one in drafts] == ["option"] * number, name


def _without_values(holder: Resource) -> None:
    holder.pop("dynamicValue", None)
    for one in holder.get("action", ()):
        _without_values(one)
