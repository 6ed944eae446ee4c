"""Registering patients: numbers, what is required, who is here already, on every way of writing."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from fhir_server.settings import Settings
from fhir_server.workflows.registration.record_numbers import check_digit
from tests.fhir_server.conftest import running_server
from tests.fhir_server.workflows.registration.people import MR, numbers, rules_of, somebody, transaction

_PATCH = {"content-type": "application/json-patch+json"}


def _refused(answer: httpx.Response, status: int, rule: str) -> None:
    assert answer.status_code == status, answer.text
    assert rule in rules_of(answer), answer.text


@pytest.mark.workflow("4-03", "1-06", "3-01")
def test_the_server_gives_the_number(client: httpx.Client, settings: Settings) -> None:
    """A new patient has one number, by which they are found; it stays through every change."""
    made = client.post("/Patient", json=somebody())
    assert made.status_code == 201, made.text
    (number,) = numbers(made.json())
    found = client.get("/Patient", params={"identifier": f"{settings.record_number_system}|{number}"}).json()
    assert [one["resource"]["id"] for one in found["entry"]] == [made.json()["id"]]
    bare = {key: value for key, value in made.json().items() if key != "identifier"}
    changed = client.put(f"/Patient/{bare['id']}", json=bare | {"gender": "female"})
    assert numbers(changed.json()) == [number]
    address = f"/Patient/{bare['id']}"
    removed = client.patch(address, json=[{"op": "remove", "path": "/identifier"}], headers=_PATCH)
    assert numbers(removed.json()) == [number]


@pytest.mark.workflow("4-03")
def test_a_thousand_at_once_get_a_thousand_numbers(base_url: str) -> None:
    """However many register at one moment, by create, update as create, batch or transaction."""

    def register(index: int) -> list[str]:
        with httpx.Client(base_url=base_url, timeout=120) as http:
            found = []
            for place in range(10):
                person = somebody()
                match place % 3:
                    case 0:
                        answer = http.post("/Patient", json=person)
                    case 1:
                        key = f"n{index}-{place}"
                        answer = http.put(f"/Patient/{key}", json=person | {"id": key})
                    case _:
                        bundle = transaction(("POST", "Patient", person))
                        sent = http.post("/", json=bundle, headers={"prefer": "return=representation"})
                        assert sent.status_code == 200, sent.text
                        found += numbers(sent.json()["entry"][0]["resource"])
                        continue
                assert answer.status_code == 201, answer.text
                found += numbers(answer.json())
            return found

    with ThreadPoolExecutor(16) as pool:
        given = [number for found in pool.map(register, range(100)) for number in found]
    assert len(given) == len(set(given)) == 1_000


def test_the_check_digit_is_that_of_luhn() -> None:
    """As in the example that everybody knows: 7992739871 has 3."""
    assert check_digit(7992739871) == 3
    assert check_digit(0) == 0


@pytest.mark.workflow("4-03", "3-01")
@pytest.mark.parametrize("mine", [{"type": MR, "system": "urn:x", "value": "1"}, {"system": None}])
def test_nobody_sends_a_number(client: httpx.Client, settings: Settings, mine: dict[str, Any]) -> None:
    """Neither one that is called so, nor one of the hospital's system, on any way."""
    if mine["system"] is None:
        mine = {"system": settings.record_number_system, "value": "77777777"}
    person = somebody(identifier=[mine])
    _refused(client.post("/Patient", json=person), 422, "W1.record-number")
    _refused(client.put("/Patient/mine", json=person | {"id": "mine"}), 422, "W1.record-number")
    _refused(client.post("/", json=transaction(("POST", "Patient", person))), 422, "W1.record-number")
    known = client.post("/Patient", json=somebody()).json()
    patch = [{"op": "add", "path": "/identifier/-", "value": mine}]
    answer = client.patch(f"/Patient/{known['id']}", json=patch, headers=_PATCH)
    _refused(answer, 422, "W1.record-number")
    patch = [{"op": "replace", "path": "/identifier/0/value", "value": "99999999"}]
    answer = client.patch(f"/Patient/{known['id']}", json=patch, headers=_PATCH)
    _refused(answer, 422, "W1.record-number")


def test_adapters_and_imports_bring_numbers(clients: dict[str, httpx.Client]) -> None:
    """An application that the settings name does, and an import does; another backend service does not."""
    person = somebody(identifier=[{"type": MR, "system": "urn:old-house", "value": "A1"}])
    _refused(clients["backend"].post("/Patient", json=person), 422, "W1.record-number")
    made = clients["adapter"].post("/Patient", json=person)
    assert made.status_code == 201
    assert numbers(made.json()) == ["A1"]
    imported = {**somebody(), "identifier": [{"type": MR, "system": "urn:old-house", "value": "A2"}]}
    answer = clients["backend"].post("/Patient", json=imported, headers={"x-import": "records"})
    assert answer.status_code == 201
    assert numbers(answer.json()) == ["A2"]
    again = somebody(identifier=[{"system": "urn:old-house", "value": "A2"}])
    _refused(
        clients["backend"].post("/Patient", json=again, headers={"x-import": "records"}),
        409,
        "W1.duplicate-identifier",
    )


@pytest.mark.workflow("1-06", "3-01")
def test_an_identifier_is_of_one_patient(client: httpx.Client) -> None:
    """The second is told of a duplicate on every way, and a conditional create answers with the first."""
    mine = {"system": "urn:passport", "value": "P1"}
    first = client.post("/Patient", json=somebody(identifier=[mine])).json()
    another = somebody(identifier=[mine])
    answer = client.post("/Patient", json=another)
    _refused(answer, 409, "W1.duplicate-identifier")
    assert answer.json()["issue"][0]["code"] == "duplicate"
    _refused(client.put("/Patient/b", json=another | {"id": "b"}), 409, "W1.duplicate-identifier")
    _refused(client.post("/", json=transaction(("POST", "Patient", another))), 409, "W1.duplicate-identifier")
    condition = {"if-none-exist": "identifier=urn:passport|P1"}
    known = client.post("/Patient", json=another, headers=condition)
    assert known.status_code == 200
    assert known.json()["id"] == first["id"]
    # Given up, it is somebody else's.
    bare = client.get(f"/Patient/{first['id']}").json()
    bare["identifier"] = [one for one in bare["identifier"] if one["system"] != "urn:passport"]
    assert client.put(f"/Patient/{first['id']}", json=bare).status_code == 200
    assert client.post("/Patient", json=another).status_code == 201


@pytest.mark.workflow("1-06")
def test_a_condition_that_several_meet_is_refused(client: httpx.Client) -> None:
    """412 if two patients match."""
    for given in ("Ada", "Eva"):
        person = somebody(name=[{"family": "Condition", "given": [given]}])
        assert client.post("/Patient", json=person).status_code == 201
    answer = client.post("/Patient", json=somebody(), headers={"if-none-exist": "family=Condition"})
    assert answer.status_code == 412
    assert answer.json()["issue"][0]["code"] == "multiple-matches"


def test_of_many_with_one_identifier_one_is_registered(base_url: str) -> None:
    """Twenty at once, each another person with one passport: one gets in."""
    with ThreadPoolExecutor(20) as pool:
        people = [somebody(identifier=[{"system": "urn:race", "value": "1"}]) for _ in range(20)]
        answers = list(pool.map(lambda one: httpx.post(f"{base_url}/Patient", json=one, timeout=60), people))
    assert sorted(one.status_code for one in answers) == [201] + [409] * 19


@pytest.mark.workflow("0-03", "4-02", "3-45", "2-07")
@pytest.mark.parametrize(
    ("elements", "rule"),
    [
        ({"name": None}, "W1.incomplete"),
        ({"name": [{"use": "official"}]}, "W1.incomplete"),
        ({"birthDate": None}, "W1.incomplete"),
        ({"birthDate": (datetime.now(UTC) + timedelta(days=2)).date().isoformat()}, "W1.future-birth-date"),
        ({"birthDate": str(datetime.now(UTC).year + 1)}, "W1.future-birth-date"),
    ],
)
def test_what_is_missing_or_wrong(client: httpx.Client, elements: dict[str, Any], rule: str) -> None:
    """Nothing of it is stored, whichever way it comes, and what stands with it neither."""
    person = somebody(**elements)
    _refused(client.post("/Patient", json=person), 422, rule)
    coverage = {"resourceType": "Basic", "code": {"text": "with a wrong patient"}}
    before = client.get("/Basic?_summary=count").json()["total"]
    both = transaction(("POST", "Patient", person), ("POST", "Basic", coverage))
    _refused(client.post("/", json=both), 422, rule)
    assert client.get("/Basic?_summary=count").json()["total"] == before
    known = client.post("/Patient", json=somebody()).json()
    ((name, value),) = elements.items()
    patch = [{"op": "remove" if value is None else "replace", "path": f"/{name}", "value": value}]
    answer = client.patch(f"/Patient/{known['id']}", json=patch, headers=_PATCH)
    assert answer.status_code == 422, answer.text


@pytest.mark.workflow("3-45")
def test_gender_is_of_the_value_set(client: httpx.Client) -> None:
    """A code that FHIR has not is refused, as is an age, which is derived from the birth date."""
    assert client.post("/Patient", json=somebody(gender="f")).status_code == 422
    assert client.post("/Patient", json=somebody(age=46)).status_code == 400


@pytest.mark.workflow("0-22", "3-45")
def test_patients_are_found_by_what_their_table_has(client: httpx.Client) -> None:
    """By name, birth date, gender, phone, e-mail and address."""
    person = somebody(
        name=[{"family": "Tabular", "given": ["Tessa"]}],
        gender="female",
        telecom=[{"system": "phone", "value": "555-0100"}, {"system": "email", "value": "t@example.org"}],
        address=[{"city": "Tablestown", "line": ["1 Row"]}],
    )
    made = client.post("/Patient", json=person).json()
    for query in (
        "name=tabular",
        "birthdate=1980-04-05&family=Tabular",
        "gender=female&given=tessa&family=tabular",
        "phone=555-0100",
        "email=t@example.org",
        "address-city=Tablestown",
        f"identifier={numbers(made)[0]}",
    ):
        found = client.get(f"/Patient?{query}").json()
        assert [one["resource"]["id"] for one in found["entry"]] == [made["id"]], query


def test_an_unknown_patient_has_a_temporary_name(client: httpx.Client) -> None:
    """Who is not known has no birth date, and a number like everybody; once known, the date stays."""
    unknown = somebody(name=[{"use": "temp", "text": "Unknown woman, 22:10"}], birthDate=None)
    made = client.post("/Patient", json=unknown)
    assert made.status_code == 201, made.text
    assert len(numbers(made.json())) == 1
    known = made.json() | {"name": [{"family": "Found", "given": ["Frieda"]}]}
    _refused(client.put(f"/Patient/{known['id']}", json=known), 422, "W1.incomplete")
    assert client.put(f"/Patient/{known['id']}", json=known | {"birthDate": "1970-01-01"}).status_code == 200


@pytest.mark.workflow("1-06", "1-29", "3-01")
def test_a_person_is_registered_once(client: httpx.Client) -> None:
    """The same name and birth date is the same person, unless staff say that it is not."""
    person = somebody(name=[{"family": "Onceonly", "given": ["Oda"]}])
    assert client.post("/Patient", json=person).status_code == 201
    answer = client.post("/Patient", json=person)
    _refused(answer, 409, "W1.duplicate-patient")
    assert "Onceonly" not in answer.text
    _refused(client.put("/Patient/oda", json=person | {"id": "oda"}), 409, "W1.duplicate-patient")
    _refused(client.post("/", json=transaction(("POST", "Patient", person))), 409, "W1.duplicate-patient")
    found = client.post(
        "/Patient", json=person, headers={"if-none-exist": "family=Onceonly&birthdate=1980-04-05"}
    )
    assert found.status_code == 200
    twin = person | {"name": [{"family": "Onceonly", "given": ["Ida"]}]}
    assert client.post("/Patient", json=twin).status_code == 201
    tag = {"system": "urn:fhir-hospital-server:registration", "code": "confirmed-new"}
    namesake = person | {"meta": {"tag": [tag]}}
    assert client.post("/Patient", json=namesake).status_code == 201


def test_of_many_who_are_the_same_person_one_is_registered(base_url: str) -> None:
    """Ten desks register one person at one moment: one of them does."""
    person = somebody(name=[{"family": "Racing", "given": ["Rita"]}])
    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(lambda _: httpx.post(f"{base_url}/Patient", json=person, timeout=60), range(10))
        )
    assert sorted(one.status_code for one in answers) == [201] + [409] * 9


def test_links_lead_to_somebody_and_not_in_a_circle(client: httpx.Client) -> None:
    """A link to nobody is refused, and one by which a record would go into itself."""
    one, two = (client.post("/Patient", json=somebody()).json() for _ in range(2))

    def replaced_by(reference: str) -> list[dict[str, Any]]:
        return [{"other": {"reference": reference}, "type": "replaced-by"}]

    nobody = one | {"link": replaced_by("Patient/nobody")}
    _refused(client.put(f"/Patient/{one['id']}", json=nobody), 422, "W1.link")
    itself = one | {"link": replaced_by(f"Patient/{one['id']}")}
    _refused(client.put(f"/Patient/{one['id']}", json=itself), 422, "W1.link")
    first = one | {"link": replaced_by(f"Patient/{two['id']}")}
    assert client.put(f"/Patient/{one['id']}", json=first).status_code == 200
    back = two | {"link": replaced_by(f"Patient/{one['id']}")}
    _refused(client.put(f"/Patient/{two['id']}", json=back), 422, "W1.link")


def test_a_hospital_decides_how_numbers_look_and_who_is_new(settings: Settings) -> None:
    """Its own system and form; and it may let everybody be registered again."""
    changes = {
        "record_number_system": "urn:house:mrn",
        "record_number_format": "H-{number:05d}",
        "duplicate_patients": "allow",
    }
    with running_server(Settings(**(settings.model_dump() | changes))) as url:
        made = [httpx.post(f"{url}/Patient", json=somebody(), timeout=30)]
        again = {name: made[0].json()[name] for name in ("resourceType", "name", "birthDate")}
        made.append(httpx.post(f"{url}/Patient", json=again, timeout=30))
    assert [one.status_code for one in made] == [201, 201]
    for one in made:
        (identifier,) = one.json()["identifier"]
        assert identifier["system"] == "urn:house:mrn"
        assert re.fullmatch(r"H-\d{5}", identifier["value"])


@pytest.mark.parametrize("form", ["{check}", "x", "{number", "{other}", "{number.real}{check"])
def test_a_form_that_does_not_tell_numbers_apart_is_refused(form: str) -> None:
    """At the start, and not when two patients have one number."""
    with pytest.raises(ValueError, match="number"):
        Settings(record_number_format=form)
