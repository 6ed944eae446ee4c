"""FHIR_REFERENTIAL_INTEGRITY (https://hl7.org/fhir/R4/http.html#delete, references.html#literal)."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.settings import Settings
from tests.fhir_server.conftest import running_server
from tests.fhir_server.interactions.bundles import entry

FHIR_JSON = "application/fhir+json"
UUID_1 = "urn:uuid:8f5f4a6c-3333-4b0e-9d6a-000000000001"

Entry = dict[str, Any]


@pytest.fixture(scope="module")
def strict_url(settings: Settings) -> Iterator[str]:
    """The address of a server that enforces referential integrity; `client` is one that does not."""
    with running_server(settings.model_copy(update={"referential_integrity": "enforce"})) as url:
        yield url


@pytest.fixture(scope="module")
def strict(strict_url: str) -> Iterator[httpx.Client]:
    """A client of that server."""
    with httpx.Client(base_url=strict_url, headers={"content-type": FHIR_JSON}, timeout=30) as http:
        yield http


def patient(resource_id: str, **elements: Any) -> dict[str, Any]:
    """Return a Patient."""
    return {"resourceType": "Patient", "id": resource_id, **elements}


def put(client: httpx.Client, resource: dict[str, Any]) -> httpx.Response:
    """Send an update."""
    return client.put(f"/{resource['resourceType']}/{resource['id']}", json=resource)


def basic(resource_id: str, reference: str) -> dict[str, Any]:
    """Return a Basic whose subject, an element with a search parameter, is `reference`."""
    return {
        "resourceType": "Basic",
        "id": resource_id,
        "code": {"text": "x"},
        "subject": {"reference": reference},
    }


def transaction(client: httpx.Client, *entries: Entry) -> httpx.Response:
    """Post a transaction."""
    return client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": list(entries)})


REFERENCES = {
    "live": ("Patient/there", 201),
    "absolute": ("{base}/Patient/there", 201),
    "current version": ("Patient/there/_history/2", 201),
    "earlier version": ("Patient/there/_history/1", 201),
    "version of a deleted one": ("Patient/gone/_history/1", 201),
    "elsewhere": ("http://elsewhere.example/fhir/Patient/nowhere", 201),
    "contained": ("#c", 201),
    "nowhere": ("Patient/nowhere", 422),
    "absolute and nowhere": ("{base}/Patient/nowhere", 422),
    "of another type": ("Group/there", 422),
    "deleted": ("Patient/gone", 422),
    "version that is a deletion": ("Patient/gone/_history/2", 422),
    "version that never was": ("Patient/there/_history/3", 422),
    "version of none": ("Patient/nowhere/_history/1", 422),
    "version that is no number": ("Patient/there/_history/a", 422),
}


@pytest.mark.workflow("4-54")
@pytest.mark.feature("http.referential-integrity.references")
@pytest.mark.parametrize("how", ["PUT", "POST", "batch", "transaction", "PATCH"])
@pytest.mark.parametrize(("reference", "status"), REFERENCES.values(), ids=REFERENCES.keys())
def test_references_lead_to_something(
    strict: httpx.Client, strict_url: str, how: str, reference: str, status: int
) -> None:
    """A literal reference to this server is to what is live, or to a version that there is."""
    if strict.get("/Patient/gone/_history").status_code == 404:
        for resource_id in ("there", "there", "gone"):
            put(strict, patient(resource_id))
        assert strict.delete("/Patient/gone").status_code == 204
        put(strict, patient("patched-to"))
    resource = basic("referring", reference.replace("{base}", strict_url))
    resource["contained"] = [patient("c")]
    resource["extension"] = [{"url": "urn:x", "valueReference": {"reference": "#c"}}]
    answer, place = _send(strict, how, resource)
    if how == "batch":
        [item] = answer.json()["entry"]
        assert item["response"]["status"][:3] == str(status)
        outcome = item["response"].get("outcome")
    else:
        assert answer.status_code == (200 if status == 201 and how in ("transaction", "PATCH") else status)
        outcome = answer.json()
    if status == 422:
        assert [issue["expression"] for issue in outcome["issue"]] == [[f"{place}.subject.reference"]]
        assert outcome["issue"][0]["code"] == "not-found"
        assert "nowhere" not in str(outcome)
        assert strict.get("/Basic/referring").status_code in (404, 410)
    strict.delete("/Basic/referring")


def _send(client: httpx.Client, how: str, resource: dict[str, Any]) -> tuple[httpx.Response, str]:
    """Store `resource` in one of the ways; return the answer, and the FHIRPath of what was sent."""
    if how == "PUT":
        return put(client, resource), "Basic"
    if how == "POST":
        return client.post("/Basic", json=resource), "Basic"
    if how == "PATCH":
        put(client, {**resource, **basic("patched", "Patient/patched-to")})
        changes = [{"op": "replace", "path": "/subject", "value": resource["subject"]}]
        headers = {"content-type": "application/json-patch+json"}
        return client.patch("/Basic/patched", json=changes, headers=headers), "Basic"
    bundled = entry("PUT", "Basic/referring", resource)
    bundle = {"resourceType": "Bundle", "type": how, "entry": [bundled]}
    return client.post("", json=bundle), "Bundle.entry[0].resource" if how == "transaction" else "Basic"


def test_every_dangling_reference_is_named(strict: httpx.Client) -> None:
    """Wherever they stand: in lists, choices of types, contained resources, extensions of primitives."""
    nowhere = {"reference": "Patient/nowhere"}
    resource = {
        "resourceType": "Observation",
        "status": "final",
        "_status": {"extension": [{"url": "urn:x", "valueReference": nowhere}]},
        "code": {"text": "x"},
        "contained": [{**basic("c", "Patient/nowhere")}],
        "focus": [{"reference": "#c"}, nowhere],
        "subject": {"identifier": {"value": "logical"}},
        "performer": [{"reference": "Organization?name=x"}],
    }
    answer = strict.post("/Observation", json={**resource, "performer": [nowhere]})
    assert answer.status_code == 422, answer.text
    assert sorted(issue["expression"][0] for issue in answer.json()["issue"]) == [
        "Observation.contained[0].subject.reference",
        "Observation.focus[1].reference",
        "Observation.performer[0].reference",
        "Observation.status.extension[0].value.reference",
    ]


@pytest.mark.feature("http.referential-integrity.transaction")
def test_references_among_the_entries_of_a_transaction(strict: httpx.Client) -> None:
    """What is stored together may refer to each other; what is deleted in it is not there."""
    circle = transaction(
        strict,
        entry("PUT", "Patient/circle", patient("circle", link=[_link("RelatedPerson/circle")])),
        entry("PUT", "RelatedPerson/circle", _related("circle", "Patient/circle")),
        entry("POST", "Basic", basic("x", UUID_1)),
        entry("POST", "Patient", patient("x"), UUID_1),
    )
    assert circle.status_code == 200, circle.text
    refused = transaction(
        strict,
        entry("PUT", "Basic/late", basic("late", "Patient/to-go")),
        entry("DELETE", "Patient/to-go"),
    )
    assert refused.status_code == 422
    one_end = transaction(strict, entry("DELETE", "Patient/circle"))
    assert one_end.status_code == 409
    both = transaction(strict, entry("DELETE", "Patient/circle"), entry("DELETE", "RelatedPerson/circle"))
    assert both.status_code == 200, both.text


def _link(reference: str) -> dict[str, Any]:
    return {"other": {"reference": reference}, "type": "seealso"}


def _related(resource_id: str, reference: str) -> dict[str, Any]:
    return {"resourceType": "RelatedPerson", "id": resource_id, "patient": {"reference": reference}}


REFERRING: dict[str, dict[str, Any]] = {
    "with a search parameter": basic("r-1", "Patient/kept"),
    "without a search parameter": {
        "resourceType": "Patient",
        "id": "r-2",
        "extension": [{"url": "urn:x", "valueReference": {"reference": "Patient/kept"}}],
    },
    "absolute": basic("r-3", "{base}/Patient/kept"),
    "contained": {
        "resourceType": "List",
        "id": "r-4",
        "status": "current",
        "mode": "working",
        "contained": [basic("c", "Patient/kept")],
        "entry": [{"item": {"reference": "#c"}}],
    },
}


@pytest.mark.feature("http.referential-integrity.delete")
@pytest.mark.parametrize("how", ["DELETE", "conditional", "transaction"])
@pytest.mark.parametrize("referring", REFERRING.values(), ids=REFERRING.keys())
def test_what_is_referred_to_is_not_deleted(
    strict: httpx.Client, strict_url: str, how: str, referring: dict[str, Any]
) -> None:
    """409 says which types refer; without these the deletion goes through."""
    put(strict, patient("kept", identifier=[{"value": "kept"}]))
    text = strict.build_request("PUT", "/", json=referring).content.decode()
    referring_url = f"/{referring['resourceType']}/{referring['id']}"
    stored = strict.put(referring_url, content=text.replace("{base}", strict_url))
    assert stored.status_code in (200, 201), stored.text

    def delete() -> httpx.Response:
        if how == "transaction":
            return transaction(strict, entry("DELETE", "Patient/kept"))
        return strict.delete("/Patient/kept" if how == "DELETE" else "/Patient?identifier=kept")

    refused = delete()
    assert refused.status_code == 409
    [issue] = refused.json()["issue"]
    assert referring["resourceType"] in issue["diagnostics"].rpartition("type ")[2]
    assert strict.get("/Patient/kept").status_code == 200
    assert strict.delete(referring_url).status_code == 204
    assert delete().status_code in (200, 204)
    assert strict.get("/Patient/kept").status_code == 410


@pytest.mark.feature("http.referential-integrity.delete")
def test_what_does_not_keep_a_resource(strict: httpx.Client) -> None:
    """References to a version, which stays, to itself, and those that were there once."""
    put(strict, patient("free"))
    put(strict, patient("free", link=[_link("Patient/free")]))
    put(strict, basic("was", "Patient/free"))
    put(strict, basic("was", "Patient/free/_history/1"))
    assert strict.delete("/Patient/free").status_code == 204
    assert strict.delete("/Patient/free").status_code == 204
    assert strict.delete("/Patient/never-was").status_code == 204
    assert strict.get("/Basic/was").json()["subject"]["reference"] == "Patient/free/_history/1"


def test_what_was_stored_before_it_was_enforced(client: httpx.Client, strict: httpx.Client) -> None:
    """References with a search parameter are found by its index, though nobody kept them apart."""
    put(client, patient("before"))
    put(client, basic("before", "Patient/before"))
    refused = strict.delete("/Patient/before")
    assert refused.status_code == 409
    assert "Basic" in refused.json()["issue"][0]["diagnostics"]
    client.delete("/Basic/before")
    assert strict.delete("/Patient/before").status_code == 204


def test_without_the_setting_nothing_is_checked(client: httpx.Client) -> None:
    """Loaders store in any order."""
    assert put(client, basic("loose", "Patient/loose")).status_code == 201
    put(client, patient("loose"))
    assert client.delete("/Patient/loose").status_code == 204
    policy = client.get("/metadata").json()["rest"][0]["resource"][0]["referencePolicy"]
    assert policy == ["literal", "logical"]


def test_the_capability_statement_tells(strict: httpx.Client) -> None:
    """https://hl7.org/fhir/R4/valueset-reference-handling-policy.html."""
    policy = strict.get("/metadata").json()["rest"][0]["resource"][0]["referencePolicy"]
    assert policy == ["literal", "logical", "enforced"]


@pytest.mark.feature("http.referential-integrity.concurrent")
def test_a_deletion_and_a_reference_at_the_same_time(strict_url: str, strict: httpx.Client) -> None:
    """Never both: afterwards every reference leads to what is there, in each of many races."""

    async def race(number: int, http: httpx.AsyncClient) -> tuple[int, int]:
        resource = basic(f"race-{number}", f"Patient/race-{number}")
        stored, deleted = await asyncio.gather(
            http.put(f"{strict_url}/Basic/race-{number}", json=resource),
            http.delete(f"{strict_url}/Patient/race-{number}"),
        )
        return stored.status_code, deleted.status_code

    async def races() -> list[tuple[int, int]]:
        async with httpx.AsyncClient(headers={"content-type": FHIR_JSON}, timeout=60) as http:
            return [await race(number, http) for number in range(25)]

    for number in range(25):
        put(strict, patient(f"race-{number}"))
    assert set(asyncio.run(races())) <= {(201, 409), (422, 204)}
    for number in range(25):
        is_referred_to = strict.get(f"/Basic/race-{number}").status_code == 200
        assert strict.get(f"/Patient/race-{number}").status_code == (200 if is_referred_to else 410)


def test_many_who_refer_to_the_same_resource_at_once(strict_url: str, strict: httpx.Client) -> None:
    """They are all stored: a reference is no reason to wait for others who refer."""
    put(strict, patient("popular"))

    async def crowd() -> list[int]:
        async with httpx.AsyncClient(headers={"content-type": FHIR_JSON}, timeout=60) as http:
            calls = [http.post(f"{strict_url}/Basic", json=basic("x", "Patient/popular")) for _ in range(40)]
            return [answer.status_code for answer in await asyncio.gather(*calls)]

    assert asyncio.run(crowd()) == [201] * 40


def test_looking_for_references_uses_an_index(
    strict: httpx.Client, settings: Settings, mongo_client: MongoClient[dict[str, Any]]
) -> None:
    """No deletion goes through all resources."""
    put(strict, patient("indexed"))
    put(strict, basic("indexed", "Patient/indexed"))
    collection = mongo_client[settings.database]["Basic"]
    plan = collection.find({"references": {"$in": ["Patient/indexed"]}}).explain()["queryPlanner"]
    assert "'indexName': 'references'" in str(plan["winningPlan"])
