"""_has asks the resources that refer to what is looked for. https://hl7.org/fhir/R4/search.html#has"""

import httpx
import pytest

from tests.fhir_server.search.searching import Resource, Row, check, refusal, row_id, store


def _to(reference: str) -> dict[str, str]:
    return {"reference": reference}


def _observation(name: str, subject: str, code: str, performer: str) -> Resource:
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": _to(subject),
        "performer": [_to(performer)],
    }


def _audit(name: str, entity: str, agent: str) -> Resource:
    return {
        "resourceType": "AuditEvent",
        "id": name,
        "type": {"system": "urn:t", "code": "rest"},
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"requestor": True, "who": _to(agent)}],
        "source": {"observer": _to("Device/x")},
        "entity": [{"what": _to(entity)}],
    }


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client, base_url: str) -> None:
    store(
        client,
        [
            {"resourceType": "Patient", "id": "ann", "active": True},
            {"resourceType": "Patient", "id": "bob", "active": False},
            {"resourceType": "Patient", "id": "cid"},
            {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Peters"}]},
            {"resourceType": "Practitioner", "id": "md", "name": [{"family": "Young"}]},
            _observation("o1", "Patient/ann", "1234-5", "Practitioner/dr"),
            _observation("o2", "Patient/ann", "8867-4", "Practitioner/md"),
            _observation("o3", f"{base_url}/Patient/bob", "8867-4", "Practitioner/dr"),
            _observation("o4", "http://elsewhere.example/fhir/Patient/cid", "1234-5", "Practitioner/dr"),
            {
                "resourceType": "Encounter",
                "id": "e1",
                "status": "finished",
                "class": {"code": "AMB"},
                "subject": _to("Patient/ann"),
            },
            {
                "resourceType": "Encounter",
                "id": "e2",
                "status": "planned",
                "class": {"code": "AMB"},
                "subject": _to("Patient/bob"),
            },
            {
                "resourceType": "Group",
                "id": "102",
                "type": "person",
                "actual": True,
                "member": [{"entity": _to("Patient/ann")}],
            },
            _audit("a1", "Observation/o1", "Practitioner/md"),
            _audit("a2", "Observation/o3", "Practitioner/dr"),
            {"resourceType": "Questionnaire", "id": "q", "url": "http://acme.example/q", "status": "active"},
            {
                "resourceType": "QuestionnaireResponse",
                "id": "qr",
                "status": "completed",
                "questionnaire": "http://acme.example/q|2",
            },
        ],
    )


HAS: list[Row] = [
    ("has", "Patient?_has:Observation:patient:code=1234-5", "ann"),
    ("has", "Patient?_has:Observation:patient:code=http://loinc.org|8867-4", "ann bob"),
    ("has", "Patient?_has:Observation:patient:code=1234-5,8867-4", "ann bob"),
    ("has", "Patient?_has:Observation:patient:code=0000-0", ""),
    # Each value is met by a resource of its own.
    ("has", "Patient?_has:Observation:patient:code=1234-5&_has:Observation:patient:code=8867-4", "ann"),
    ("has", "Patient?active=false&_has:Observation:patient:code=8867-4", "bob"),
    ("has", "Patient?_has:Observation:subject:code=8867-4", "ann bob"),
    ("has", "Patient?_has:Encounter:patient:status=finished", "ann"),
    ("has", "Patient?_has:Encounter:patient:status:not=finished", "bob"),
    # Nested, as the specification's own example is.
    ("has", "Patient?_has:Observation:patient:_has:AuditEvent:entity:agent=Practitioner/md", "ann"),
    ("has", "Patient?_has:Observation:patient:_has:AuditEvent:entity:agent=dr", "bob"),
    ("has", "Encounter?patient._has:Group:member:_id=102", "e1"),
    ("has", "Encounter?patient._has:Observation:patient:code=8867-4", "e1 e2"),
    ("has", "Patient?_has:Observation:patient:performer.name=young", "ann"),
    ("has", "Patient?_has:Observation:patient:performer:Practitioner.name=peters", "ann bob"),
    ("has", "Practitioner?_has:Observation:performer:patient.active=false", "dr"),
    ("has", "Practitioner?_has:Observation:performer:patient._has:Group:member:_id=102", "dr md"),
    ("has", "Questionnaire?_has:QuestionnaireResponse:questionnaire:status=completed", "q"),
    ("has", "Questionnaire?_has:QuestionnaireResponse:questionnaire:status=amended", ""),
]


@pytest.mark.feature("search.has")
@pytest.mark.parametrize("row", HAS, ids=row_id)
def test_has_finds_what_is_referred_to(client: httpx.Client, row: Row) -> None:
    """Nested and with chains inside; a reference to another server's patient of the same id is not ours."""
    check(client, row)


REFUSED = [
    ("Patient?_has=x", "_has is _has:[type]"),
    ("Patient?_has:Observation:patient=x", "_has is _has:[type]"),
    ("Patient?_has:Nonsense:patient:code=x", "not a resource type"),
    ("Patient?_has:Observation:code:code=x", "lead to other resources: "),
    ("Patient?_has:Observation:encounter:code=x", "does not refer to Patient"),
    ("Patient?_has:Observation:patient:frobnicate=x", "Observation has no search parameter 'frobnicate'"),
    ("Patient?_has:Observation:patient:date=soon", "date: a date is"),
    ("Patient?" + "_has:Patient:link:" * 9 + "_id=x", "8 references"),
]


@pytest.mark.feature("search.has.errors")
@pytest.mark.parametrize(("search", "said"), REFUSED)
def test_has_that_makes_no_sense_is_refused(client: httpx.Client, search: str, said: str) -> None:
    """What is wrong is named: the form, the type, the reference, the parameter or the length."""
    assert said in refusal(client, search)["diagnostics"]


@pytest.mark.feature("search.has.errors")
def test_too_many_questions_are_refused(client: httpx.Client) -> None:
    """A search asks a bounded number of questions about other resources: here all types may be the target."""
    name = "_has:Provenance:target:target.target.target._has:Provenance:target:_id"
    assert "200 questions" in refusal(client, f"Patient?{name}=x")["diagnostics"]
