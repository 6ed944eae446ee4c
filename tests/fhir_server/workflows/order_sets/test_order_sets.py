"""PlanDefinition/$apply as doctors call it, and what becomes of its drafts.

https://hl7.org/fhir/R4/plandefinition-operation-apply.html
"""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from fhir_server.identifiers import new_id
from tests.fhir_server.workflows.medication.ward import Ward, medicine
from tests.fhir_server.workflows.order_sets.sets import (
    about,
    action,
    activity,
    group,
    held,
    order_set,
    when,
)
from tests.fhir_server.workflows.orders.laboratory import ROLES, coded, refer, rules

Resource = dict[str, Any]

DOSE = [{"text": "1 tablet 3 times a day"}]


@pytest.fixture
def definitions(ward: Ward) -> tuple[Resource, Resource]:
    """A prescription of amoxicillin and a blood count, which administrators have written."""
    own = f"http://house.example/{new_id()}"
    prescription = activity("MedicationRequest", productCodeableConcept=medicine("amoxicillin"), dosage=DOSE)
    count = activity("ServiceRequest", code=coded("http://loinc.org", "58410-2"))
    first = ward.made("AD", {**prescription, "url": f"{own}/rx", "version": "1"})
    return first, ward.made("AD", {**count, "url": f"{own}/count"})


@pytest.fixture
def stored(ward: Ward, definitions: tuple[Resource, Resource]) -> Resource:
    """An order set of them, for pneumonia."""
    prescription, count = definitions
    reason = [{"text": "pneumonia"}]
    choice = {"title": "Antibiotics", "selectionBehavior": "at-most-one", "reason": reason}
    adults = [when("birthDate <= today() - 18 years")]
    plan = order_set(
        {**choice, "action": [action(prescription, title="Amoxicillin", condition=adults)]},
        action(count, title="Blood count"),
    )
    kind = coded("http://terminology.hl7.org/CodeSystem/plan-definition-type", "order-set")
    told = {"url": f"http://house.example/{new_id()}", "version": "2", "title": "Pneumonia", "type": kind}
    return ward.made("AD", {**plan, **told})


def apply(ward: Ward, plan: Resource, *subjects: str, role: str = "DR", **parameters: str) -> httpx.Response:
    """Call the operation on an order set, by GET."""
    asked = {"subject": list(subjects), **parameters}
    return ward.clients[role].get(f"/PlanDefinition/{plan['id']}/$apply", params=asked)


def given(**parameters: Any) -> Resource:
    """Return Parameters: texts, concepts and resources."""
    listed = []
    for name, value in parameters.items():
        key = "valueString" if isinstance(value, str) else "valueCodeableConcept"
        key = "resource" if isinstance(value, dict) and "resourceType" in value else key
        listed.append({"name": name, key: value})
    return {"resourceType": "Parameters", "parameter": listed}


def drafts(care_plan: Resource) -> dict[str, Resource]:
    """Return the drafts of a CarePlan by their types, as a client takes them out of it."""
    found = [one for one in care_plan["contained"] if one["resourceType"].endswith("Request")]
    return {one["resourceType"]: {name: one[name] for name in one if name != "id"} for one in found}


@pytest.mark.workflow("0-11")
@pytest.mark.feature("operation.plan-definition-apply")
def test_an_order_set_gives_drafts(ward: Ward, patient: str, stored: Resource) -> None:
    """By GET and by POST, on the instance and on the type; nothing is stored."""
    answer = apply(ward, stored, patient)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["resourceType"] == "CarePlan"
    assert found["subject"] == {"reference": patient}
    assert found["author"] == {"reference": "Practitioner/dr"}
    assert found["instantiatesCanonical"] == [f"{stored['url']}|2"]
    antibiotics, count = group(found)["action"]
    assert antibiotics["selectionBehavior"] == "at-most-one"
    assert held(found, count["resource"])["resourceType"] == "ServiceRequest"
    draft = drafts(found)["MedicationRequest"]
    assert (draft["status"], draft["intent"], draft["dosageInstruction"]) == ("draft", "option", DOSE)
    assert (draft["requester"], draft["reasonCode"]) == (found["author"], [{"text": "pneumonia"}])
    bare = {name: stored[name] for name in stored if name != "meta"}
    client = ward.clients["DR"]
    for other in (
        client.post(f"/PlanDefinition/{stored['id']}/$apply", json=given(subject=patient)),
        client.post("/PlanDefinition/$apply", json=given(planDefinition=bare, subject=patient)),
        client.post("/PlanDefinition/$apply", params={"subject": patient}, json=bare),
    ):
        assert other.status_code == 200, other.text
        assert drafts(other.json()).keys() == drafts(found).keys()
    for kind in ("CarePlan", "RequestGroup", "MedicationRequest", "ServiceRequest"):
        assert ward.found("SY", f"{kind}?subject={patient}") == []


@pytest.mark.workflow("0-11")
def test_what_is_sent_obeys_the_rules(
    ward: Ward, patient: str, stored: Resource, allergic: Callable[[str], str]
) -> None:
    """A draft is stored as it is; it becomes a prescription as any other does, or does not."""
    allergic("Penicillin")
    proposed = drafts(apply(ward, stored, patient).json())
    draft = ward.made("DR", proposed["MedicationRequest"])
    order = {**draft, "intent": "order", "status": "active"}
    for refused in (
        ward.put("DR", order),
        ward.transaction("DR", order),
        ward.post("DR", {**proposed["MedicationRequest"], "intent": "order", "status": "active"}),
    ):
        assert (refused.status_code, rules(refused)) == (422, {"W6.allergy"})
    assert ward.tasks(draft, "fulfill") == []
    sent = ward.made("DR", {**proposed["ServiceRequest"], "intent": "order"})
    assert ward.tasks(sent, "fulfill") == []
    ward.changed("DR", sent, status="active")
    assert [one["status"] for one in ward.tasks(sent, "fulfill")] == ["requested"]
    other = ward.patient()
    draft = ward.made("DR", drafts(apply(ward, stored, other).json())["MedicationRequest"])
    ward.changed("DR", draft, intent="order", status="active")
    assert [one["status"] for one in ward.tasks(draft, "fulfill")] == ["requested"]
    again = ward.post("DR", {**draft, "intent": "order", "status": "active"})
    assert (again.status_code, rules(again)) == (422, {"W6.duplicate"})


@pytest.mark.workflow("0-11")
def test_an_option_is_not_put_in_force(ward: Ward, patient: str, stored: Resource) -> None:
    """Who makes a draft active and forgets to order it is told, and not left to wait for the pharmacy."""
    proposed = drafts(apply(ward, stored, patient).json())
    for kind, rule in (("MedicationRequest", "W6.option"), ("ServiceRequest", "W7.option")):
        draft = ward.made("DR", proposed[kind])
        for status in ("active", "on-hold"):
            forgotten = {**draft, "status": status}
            for refused in (ward.put("DR", forgotten), ward.patch("DR", draft, "status", status)):
                assert rule in rules(refused), (kind, status, refused.text)
        refused = ward.post("DR", {**proposed[kind], "status": "active"})
        assert (refused.status_code, rules(refused)) == (422, {rule})
        ward.changed("DR", draft, note=[{"text": "to be asked"}])
        ward.changed("DR", draft, status="active", intent="order")


@pytest.mark.workflow("0-11")
def test_the_whole_proposal_can_be_kept(ward: Ward, patient: str, stored: Resource) -> None:
    """As a CarePlan; what it contains orders nothing."""
    kept = ward.made("DR", apply(ward, stored, patient).json())
    assert ward.read(kept, "DR")["status"] == "draft"
    assert ward.found("SY", f"Task?patient={patient}") == []


@pytest.mark.workflow("0-11")
@pytest.mark.parametrize("status", ["retired", "draft", "unknown"])
def test_only_what_is_active_is_applied(
    ward: Ward, patient: str, stored: Resource, definitions: tuple[Resource, Resource], status: str
) -> None:
    """The order set, stored or sent, and each definition that it names."""
    bare = {name: stored[name] for name in stored if name != "meta"} | {"status": status}
    sent = given(planDefinition=bare, subject=patient)
    refused = ward.clients["DR"].post("/PlanDefinition/$apply", json=sent)
    assert (refused.status_code, rules(refused)) == (422, {"W7.order-set-active"})
    ward.changed("AD", definitions[1], status=status)
    refused = apply(ward, stored, patient)
    assert (refused.status_code, rules(refused)) == (422, {"W7.order-set-active"})
    assert refused.json()["issue"][0]["expression"] == ["PlanDefinition.action[1].definition"]
    ward.changed("AD", definitions[1], status="active")
    assert apply(ward, stored, patient).status_code == 200
    ward.changed("AD", stored, status=status)
    refused = apply(ward, stored, patient)
    assert (refused.status_code, rules(refused)) == (422, {"W7.order-set-active"})


@pytest.mark.workflow("0-11")
def test_definitions_are_found_by_their_canonical(
    ward: Ward, patient: str, definitions: tuple[Resource, Resource]
) -> None:
    """With a version that one, without one the newest that is active; by an address; not those of others."""
    first, count = definitions
    newer = {name: first[name] for name in first if name not in ("id", "meta")}
    ward.made("AD", {**newer, "version": "2", "productCodeableConcept": medicine("ampicillin")})
    ward.made("AD", {**newer, "version": "3", "status": "draft"})
    base = str(ward.clients["SY"].base_url).rstrip("/")
    for canonical, version in (
        (f"{first['url']}|1", "1"),
        (first["url"], "2"),
        (f"ActivityDefinition/{first['id']}", "1"),
        (f"{base}/ActivityDefinition/{first['id']}", "1"),
    ):
        plan = ward.made("AD", order_set({"definitionCanonical": canonical}))
        answer = apply(ward, plan, patient)
        assert answer.status_code == 200, answer.text
        draft = drafts(answer.json())["MedicationRequest"]
        assert draft["instantiatesCanonical"] == [f"{first['url']}|{version}"]
    for canonical in (f"{first['url']}|9", "urn:nothing", "ActivityDefinition/none", "#none"):
        bare = order_set({"definitionCanonical": canonical})
        sent = given(planDefinition=bare, subject=patient)
        refused = ward.clients["DR"].post("/PlanDefinition/$apply", json=sent)
        assert (refused.status_code, rules(refused)) == (422, {"W7.order-set-content"}), canonical
    assert count["status"] == "active"


@pytest.mark.workflow("0-11", "1-27")
def test_who_applies_order_sets(ward: Ward, patient: str, stored: Resource) -> None:
    """Doctors and nurses; who prices charges by a definition is not who orders."""
    for role in ROLES:
        answer = apply(ward, stored, patient, role=role)
        assert answer.status_code == (200 if role in ("DR", "RN") else 403), role
    draft = drafts(apply(ward, stored, patient, role="RN").json())
    assert draft["ServiceRequest"]["requester"] == {"reference": "Practitioner/rn"}
    assert ward.post("RN", draft["ServiceRequest"]).status_code == 201
    assert ward.post("RN", draft["MedicationRequest"]).status_code == 403
    price = ward.clients["DR"].get("/ChargeItemDefinition/none/$apply", params={"chargeItem": "ChargeItem/1"})
    assert price.status_code == 403
    price = ward.clients["BC"].get("/ChargeItemDefinition/none/$apply", params={"chargeItem": "ChargeItem/1"})
    assert price.status_code == 404


@pytest.mark.workflow("0-11", "1-27")
def test_no_way_leads_to_other_patients(ward: Ward, patient: str, stored: Resource) -> None:
    """Who is not treated is not there, as subject, in an encounter, or by an entry of a batch."""
    visit: Resource = {
        "resourceType": "Encounter",
        "status": "in-progress",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/q"},
    }
    others = refer(ward.made("SY", visit))["reference"]
    assert apply(ward, stored, "Patient/q").status_code == 404
    assert apply(ward, stored, patient, encounter=others).status_code == 404
    url = f"PlanDefinition/{stored['id']}/$apply?subject="
    entries = [{"request": {"method": "GET", "url": f"{url}{one}"}} for one in ("Patient/q", patient)]
    batch = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    told = ward.clients["DR"].post("/", json=batch).json()["entry"]
    assert [one["response"]["status"][:3] for one in told] == ["404", "200"]
    # Of two patients of one's own, the encounter of one is not the other's.
    other = ward.patient()
    own = refer(ward.made("SY", {**visit, "subject": {"reference": other}}))["reference"]
    refused = apply(ward, stored, patient, encounter=own)
    assert (refused.status_code, rules(refused)) == (422, {"W7.order-set-subject"})
    found = apply(ward, stored, other, encounter=own).json()
    assert {one["encounter"]["reference"] for one in drafts(found).values()} == {own}


@pytest.mark.workflow("0-11")
def test_subjects_are_one_of_each_type(ward: Ward, patient: str) -> None:
    """Several of one type are refused; one of another is for the actions that are about such."""
    place = ward.made("AD", {"resourceType": "Location", "status": "active", "name": "Ward 1"})
    clean = activity("Task", title="Clean the room", **about("Location")) | {"url": f"urn:uuid:{new_id()}"}
    plan = ward.made("AD", order_set(action(ward.made("AD", clean))))
    where = refer(place)["reference"]
    found = apply(ward, plan, patient, where)
    assert found.status_code == 200, found.text
    [one] = group(found.json())["action"]
    assert held(found.json(), one["resource"])["for"] == {"reference": where}
    for subjects in ((patient, ward.patient()), (patient,), (where,)):
        refused = apply(ward, plan, *subjects)
        assert (refused.status_code, rules(refused)) == (422, {"W7.order-set-subject"}), subjects


@pytest.mark.workflow("0-11")
def test_the_other_parameters_are_for_expressions(ward: Ward, patient: str) -> None:
    """Each is a variable; who orders it may be said, and what does not fit is refused."""
    asked = (
        "%setting.coding.code = 'IMP' and %userType.text = 'x' and %userLanguage.text = 'x'"
        " and %userTaskContext.text = 'x' and %settingContext.text = 'x'"
        " and %organization.name = 'House' and %practitioner.name.family = 'rn' and %subject.id.exists()"
    )
    house = ward.made("AD", {"resourceType": "Organization", "name": "House"})
    plan = ward.made("AD", order_set({"title": "x", "condition": [when(asked)]}))
    names = ("userType", "userLanguage", "userTaskContext", "settingContext")
    concepts = {name: {"text": "x"} for name in names}
    context = {"organization": refer(house)["reference"], "practitioner": "Practitioner/rn"}
    sent = given(subject=patient, setting=coded("urn:s", "IMP"), **concepts, **context)
    address = f"/PlanDefinition/{plan['id']}/$apply"
    found = ward.clients["DR"].post(address, json=sent)
    assert found.status_code == 200, found.text
    [one] = group(found.json())["action"]
    assert held(found.json(), one["resource"])["requester"] == {"reference": "Practitioner/rn"}
    assert "action" not in group(ward.clients["DR"].post(address, json=given(subject=patient)).json())


WRONG: list[tuple[Resource, int]] = [
    ({}, 400),
    ({"subject": ""}, 400),
    ({"subject": "x"}, 400),
    ({"subject": "Condition/1"}, 400),
    ({"subject": "http://elsewhere.example/fhir/Patient/1"}, 400),
    ({"subject": "Patient/none"}, 404),
    ({"encounter": "Patient/p"}, 400),
    ({"encounter": "Encounter/none"}, 404),
    ({"practitioner": "Organization/1"}, 400),
    ({"practitioner": "Practitioner/none"}, 404),
    ({"organization": "Organization/none"}, 404),
    ({"setting": "inpatient"}, 400),
    ({"userLanguage": "en"}, 400),
    ({"colour": "red"}, 400),
    ({"planDefinition": "PlanDefinition/1"}, 400),
]


@pytest.mark.workflow("0-11")
@pytest.mark.parametrize(("parameters", "status"), WRONG)
def test_wrong_parameters_are_refused(ward: Ward, parameters: Resource, status: int) -> None:
    """None is left out in silence."""
    plan = ward.made("AD", order_set())
    subject = {"subject": "Patient/p"} if parameters else {}
    for_get = ward.clients["DR"].get(f"/PlanDefinition/{plan['id']}/$apply", params={**subject, **parameters})
    assert for_get.status_code == status, for_get.text
    for_post = ward.clients["DR"].post(
        f"/PlanDefinition/{plan['id']}/$apply", json=given(**{**subject, **parameters})
    )
    assert for_post.status_code == status, for_post.text


@pytest.mark.workflow("0-11")
def test_an_order_set_is_given_where_none_is_addressed(ward: Ward) -> None:
    """And nowhere else; it has to be a valid one."""
    client, plan = ward.clients["DR"], order_set()
    stored = ward.made("AD", plan)
    sent = given(subject="Patient/p", planDefinition=plan)
    assert client.post(f"/PlanDefinition/{stored['id']}/$apply", json=sent).status_code == 400
    for wrong in (
        given(subject="Patient/p"),
        given(subject="Patient/p", planDefinition="PlanDefinition/1"),
        given(subject="Patient/p", planDefinition={"resourceType": "Patient"}),
        given(subject="Patient/p", planDefinition={**plan, "colour": "red"}),
        given(subject="Patient/p", planDefinition={"resourceType": "PlanDefinition"}),
    ):
        answer = client.post("/PlanDefinition/$apply", json=wrong)
        assert answer.status_code in (400, 422), answer.text
    assert client.get("/PlanDefinition/$apply", params={"subject": "Patient/p"}).status_code == 400
    assert client.get("/PlanDefinition/none/$apply", params={"subject": "Patient/p"}).status_code == 404


@pytest.mark.workflow("0-11")
def test_it_is_promised_where_it_is(ward: Ward) -> None:
    """The two operations of one code are each told on their type alone."""
    rest = ward.clients["DR"].get("/metadata").json()["rest"][0]
    base = "http://hl7.org/fhir/OperationDefinition"
    found = {
        one["type"]: operation["definition"]
        for one in rest["resource"]
        for operation in one["operation"]
        if operation["name"] == "apply"
    }
    assert found == {one: f"{base}/{one}-apply" for one in ("ChargeItemDefinition", "PlanDefinition")}
