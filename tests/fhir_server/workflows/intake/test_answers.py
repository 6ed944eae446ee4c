"""Answers checked against their questionnaire, by themselves and on every way into the record."""

from typing import Any

import httpx
import pytest

from fhir_server.workflows.intake.answers import problems
from fhir_server.workflows.intake.forms import FEEDBACK, INTAKE, shipped, shipped_forms
from resources.validation import validate
from tests.fhir_server.workflows.registration.conftest import clients, settings
from tests.fhir_server.workflows.registration.people import rules_of, somebody, transaction

__all__ = ["clients", "settings"]

Resource = dict[str, Any]
Clients = dict[str, httpx.Client]

FORM: Resource = {
    "resourceType": "Questionnaire",
    "url": "urn:form",
    "status": "active",
    "item": [
        {"linkId": "a", "type": "boolean", "required": True},
        {
            "linkId": "b",
            "type": "choice",
            "answerOption": [{"valueCoding": {"system": "s", "code": "x"}}, {"valueInteger": 3}],
            "enableWhen": [{"question": "a", "operator": "=", "answerBoolean": True}],
        },
        {
            "linkId": "g",
            "type": "group",
            "repeats": True,
            "item": [
                {"linkId": "g.n", "type": "integer", "required": True},
                {"linkId": "g.t", "type": "string", "maxLength": 3, "repeats": True},
            ],
        },
        {
            "linkId": "o",
            "type": "open-choice",
            "answerOption": [{"valueString": "one"}],
            "enableWhen": [
                {"question": "g.n", "operator": ">", "answerInteger": 5},
                {"question": "b", "operator": "exists", "answerBoolean": True},
            ],
            "enableBehavior": "any",
        },
    ],
}


def item(link_id: str, *values: Any, items: list[Resource] | None = None) -> Resource:
    """Return an item with answers."""
    names = {bool: "valueBoolean", int: "valueInteger", str: "valueString", dict: "valueCoding"}
    found: Resource = {"linkId": link_id}
    if values:
        found["answer"] = [{names[type(one)]: one} for one in values]
    return found | ({"item": items} if items else {})


def response(*listed: Resource, status: str = "completed") -> Resource:
    """Return a response to the form."""
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": "urn:form",
        "status": status,
        **({"item": list(listed)} if listed else {}),
    }


_X = {"system": "s", "code": "x"}


@pytest.mark.parametrize(
    "answers",
    [
        response(item("a", False)),
        response(item("a", True), item("b", _X)),
        response(item("a", True), item("b", 3), item("o", "one")),
        response(item("a", True), item("b", 3), item("o", "something else")),
        response(
            item("a", False), item("g", items=[item("g.n", 6), item("g.t", "abc", "d")]), item("o", "1")
        ),
        response(item("a", False), *(item("g", items=[item("g.n", n)]) for n in (1, 2))),
        response(status="in-progress"),
        response(item("g", items=[item("g.t", "abc")]), status="in-progress"),
    ],
)
def test_good_answers(answers: Resource) -> None:
    """Nothing is wrong with them."""
    assert list(problems(FORM, answers)) == []


@pytest.mark.parametrize(
    ("answers", "at"),
    [
        (response(), "QuestionnaireResponse.item"),
        (response({"linkId": "a"}), "QuestionnaireResponse.item[0].answer"),
        (response(item("a", "yes")), "QuestionnaireResponse.item[0].answer[0].value"),
        (response(item("a", True, False)), "QuestionnaireResponse.item[0].answer"),
        (response(item("a", True), item("a", True)), "QuestionnaireResponse.item[1]"),
        (response(item("a", True), item("z", 1)), "QuestionnaireResponse.item[1].linkId"),
        (response(item("a", False), item("b", _X)), "QuestionnaireResponse.item[1]"),
        (
            response(item("a", True), item("b", {"code": "y"})),
            "QuestionnaireResponse.item[1].answer[0].value",
        ),
        (response(item("a", True), item("b", 4)), "QuestionnaireResponse.item[1].answer[0].value"),
        (response(item("a", False), item("o", "one")), "QuestionnaireResponse.item[1]"),
        (response(item("a", False), item("g", 1)), "QuestionnaireResponse.item[1].answer"),
        (
            response(item("a", False), item("g", items=[item("g.t", "abc")])),
            "QuestionnaireResponse.item[1].item",
        ),
        (
            response(item("a", False), item("g", items=[item("g.n", 1), item("g.t", "abcd")])),
            "QuestionnaireResponse.item[1].item[1].answer[0].value",
        ),
        (response(item("z", 1), status="in-progress"), "QuestionnaireResponse.item[0].linkId"),
    ],
)
def test_wrong_answers(answers: Resource, at: str) -> None:
    """It is told where."""
    assert at in [path for _, path in problems(FORM, answers)]


def test_the_shipped_forms_are_valid_questionnaires() -> None:
    """And are found by their canonical URLs, with a version or without."""
    for form in shipped_forms():
        assert validate(form) == [], form["url"]
    assert shipped(INTAKE) == shipped(f"{INTAKE}|1.0.0")
    assert shipped(f"{FEEDBACK}|7") is None


@pytest.mark.workflow("0-03", "4-02")
def test_answers_are_checked_on_every_way(client: httpx.Client) -> None:
    """By create, update, PATCH and in a transaction, which stores nothing of what came with it."""
    assert client.post("/Questionnaire", json=FORM).status_code == 201
    wrong = response(item("z", 1))
    for answer in (
        client.post("/QuestionnaireResponse", json=wrong),
        client.put("/QuestionnaireResponse/w", json=wrong | {"id": "w"}),
        client.post(
            "/", json=transaction(("POST", "QuestionnaireResponse", wrong), ("POST", "Patient", somebody()))
        ),
    ):
        assert answer.status_code == 422, answer.text
        assert rules_of(answer) == {"W1.answers"}
    begun = client.post("/QuestionnaireResponse", json=response(status="in-progress")).json()
    patch = [{"op": "replace", "path": "/status", "value": "completed"}]
    headers = {"content-type": "application/json-patch+json"}
    answer = client.patch(f"/QuestionnaireResponse/{begun['id']}", json=patch, headers=headers)
    assert rules_of(answer) == {"W1.answers"}
    assert client.post("/QuestionnaireResponse", json=response(item("a", False))).status_code == 201
    # Of a form that is not here nothing is known.
    elsewhere = response(item("z", 1)) | {"questionnaire": "urn:elsewhere"}
    assert client.post("/QuestionnaireResponse", json=elsewhere).status_code == 201


def _visit(clients: Clients, patient: str, status: str) -> str:
    visit = {
        "resourceType": "Encounter",
        "status": status,
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": f"Patient/{patient}"},
        "period": {"start": "2026-01-01T10:00:00Z", "end": "2026-01-01T11:00:00Z"},
    }
    made = clients["backend"].post("/Encounter", json=visit)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def _feedback(visit: str, patient: str = "anna", satisfaction: int = 4) -> Resource:
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": FEEDBACK,
        "status": "completed",
        "subject": {"reference": f"Patient/{patient}"},
        "encounter": {"reference": f"Encounter/{visit}"},
        "item": [item("satisfaction", satisfaction)],
    }


@pytest.fixture
def people(clients: Clients) -> Clients:
    """The callers, of whom the patients are registered."""
    for patient in ("anna", "boris"):
        if clients["backend"].get(f"/Patient/{patient}").status_code == 404:
            made = clients["backend"].put(f"/Patient/{patient}", json=somebody(id=patient))
            assert made.status_code == 201
    return clients


@pytest.mark.workflow("3-54")
def test_feedback_is_given_once_about_a_finished_visit_of_ones_own(people: Clients) -> None:
    """A second one is a duplicate, on every way; one that was taken back does not count."""
    anna = people["anna"]
    visit = _visit(people, "anna", "finished")
    first = anna.post("/QuestionnaireResponse", json=_feedback(visit))
    assert first.status_code == 201, first.text
    again = anna.post("/QuestionnaireResponse", json=_feedback(visit, satisfaction=1))
    assert again.status_code == 409
    assert rules_of(again) == {"W22.feedback-once"}
    bundle = transaction(("POST", "QuestionnaireResponse", _feedback(visit)))
    assert anna.post("/", json=bundle).status_code == 409
    put = people["backend"].put("/QuestionnaireResponse/fb", json=_feedback(visit) | {"id": "fb"})
    assert put.status_code == 409
    taken_back = first.json() | {"status": "entered-in-error"}
    address = f"/QuestionnaireResponse/{first.json()['id']}"
    assert people["backend"].put(address, json=taken_back).status_code == 200
    assert anna.post("/QuestionnaireResponse", json=_feedback(visit)).status_code == 201


@pytest.mark.workflow("3-54")
def test_feedback_is_about_no_other_visit(people: Clients) -> None:
    """Not about one that goes on, one of somebody else, or one that is not there, which all sound alike."""
    anna = people["anna"]
    refused = [
        anna.post("/QuestionnaireResponse", json=_feedback(_visit(people, "anna", "in-progress"))),
        anna.post("/QuestionnaireResponse", json=_feedback(_visit(people, "boris", "finished"))),
        anna.post("/QuestionnaireResponse", json=_feedback("nowhere")),
    ]
    assert [one.status_code for one in refused] == [422] * 3
    assert len({one.text for one in refused}) == 1
    assert rules_of(refused[0]) == {"W22.feedback-visit"}
    foreign = anna.post(
        "/QuestionnaireResponse", json=_feedback(_visit(people, "boris", "finished"), "boris")
    )
    assert foreign.status_code == 403
    unfit = anna.post(
        "/QuestionnaireResponse", json=_feedback(_visit(people, "anna", "finished"), satisfaction=6)
    )
    assert rules_of(unfit) == {"W1.answers"}
