"""Every interaction as an entry of a batch and of a transaction (https://hl7.org/fhir/R4/http.html#transaction)."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.fhir_server.interactions.bundles import (
    JSON_PATCH,
    KINDS,
    UUID_1,
    XML_PATCH,
    Entry,
    basic,
    binary,
    entry,
    fhirpath_patch,
    patient,
    post,
    statuses,
    stored,
)

READS: dict[str, tuple[Entry, str, str | None]] = {
    "read": (entry("GET", "Patient/all"), "200", "Patient"),
    "vread": (entry("GET", "Patient/all/_history/1"), "200", "Patient"),
    "read of what the client has": (entry("GET", "Patient/all", ifNoneMatch='W/"2"'), "304", None),
    "read of what did not change": (
        entry("GET", "Patient/all", ifModifiedSince="2100-01-01T00:00:00.000+01:00"),
        "304",
        None,
    ),
    "head": (entry("HEAD", "Patient/all"), "200", None),
    "search": (entry("GET", "Patient?identifier=urn:i|all"), "200", "Bundle"),
    "search by POST": (entry("POST", "Patient/_search?identifier=urn:i|all"), "200", "Bundle"),
    "search that joins": (entry("GET", "Basic?subject:Patient.identifier=urn:i|all"), "200", "Bundle"),
    "history of a resource": (entry("GET", "Patient/all/_history"), "200", "Bundle"),
    "history of a type": (entry("GET", "Patient/_history?_count=1"), "200", "Bundle"),
    "history of the system": (entry("GET", "_history?_count=1"), "200", "Bundle"),
    "capabilities": (entry("GET", "metadata"), "200", "CapabilityStatement"),
    "operation by GET": (entry("GET", "Patient/all/$meta"), "200", "Parameters"),
    "operation by POST": (entry("POST", "Patient/all/$meta"), "200", "Parameters"),
}


@pytest.mark.feature("http.transaction.reads")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("read", "status", "resource_type"), READS.values(), ids=READS.keys())
def test_each_kind_of_read(
    client: httpx.Client, kind: str, read: Entry, status: str, resource_type: str | None
) -> None:
    """Whatever changes nothing is answered, with the resource unless it is HEAD."""
    if client.get("/Patient/all").status_code == 404:
        for _ in range(2):
            client.put("/Patient/all", json=patient("all", "all"))
    answer = post(client, kind, read)
    assert statuses(answer) == [status]
    [item] = answer.json()["entry"]
    assert item.get("resource", {}).get("resourceType") == resource_type


@pytest.mark.feature("http.transaction.reads")
def test_reads_see_what_the_transaction_stored(client: httpx.Client) -> None:
    """Reads, searches and histories come last, wherever they stand (#trules, step 4)."""
    client.put("/Patient/seen-old", json=patient("seen", "seen-old"))
    # Looked up at the same time, which a transaction must bear.
    several = "".join(f"&subject:Patient.{code}:missing=true" for code in ("name", "gender", "birthdate"))
    answer = post(
        client,
        "transaction",
        entry("GET", "Patient?identifier=urn:i|seen"),
        entry("GET", f"Basic?subject:Patient.identifier=urn:i|seen{several}"),
        entry("GET", "Patient?_has:Basic:subject:code:missing=false&identifier=urn:i|seen&_total=accurate"),
        entry("GET", "Patient/seen-old/_history"),
        entry("POST", "Basic", basic(UUID_1)),
        entry("PUT", "Patient/seen-new", patient("seen", "seen-new"), UUID_1),
        entry("DELETE", "Patient/seen-old"),
    )
    assert answer.status_code == 200, answer.text
    patients, basics, counted, versions = (item["resource"] for item in answer.json()["entry"][:4])
    assert [item["resource"]["id"] for item in patients["entry"]] == ["seen-new"]
    assert [item["resource"]["subject"]["reference"] for item in basics["entry"]] == ["Patient/seen-new"]
    assert counted["total"] == 1
    assert [item["request"]["method"] for item in versions["entry"]] == ["DELETE", "PUT"]


@pytest.mark.feature("http.transaction.atomic")
@pytest.mark.parametrize(
    ("read", "status"),
    [
        (entry("GET", "Patient/never-was"), 400),
        (entry("HEAD", "Patient/never-was"), 400),
        (entry("GET", "Patient/to-delete"), 400),
        (entry("GET", "Patient?nonsense=1"), 400),
        (entry("GET", "Patient?birthdate=yesterday"), 400),
        (entry("GET", "Patient/never-was/_history"), 400),
        (entry("GET", "Nonsense/1"), 400),
    ],
)
def test_a_read_that_fails_fails_the_transaction(client: httpx.Client, read: Entry, status: int) -> None:
    """All interactions succeed or fail together; a batch tells of it in its entry alone."""
    if client.get("/Patient/to-delete").status_code == 404:
        client.put("/Patient/to-delete", json=patient("d", "to-delete"))
    entries = [
        entry("DELETE", "Patient/to-delete"),
        entry("PUT", "Patient/un-stored", patient("u", "un-stored")),
    ]
    answer = post(client, "transaction", *entries, read)
    assert answer.status_code == status
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[2]"]
    assert client.get("/Patient/un-stored").status_code == 404
    assert client.get("/Patient/to-delete").status_code == 200


PATCHES: dict[str, Any] = {
    "FHIRPath": fhirpath_patch("Patient.birthDate", valueDate="1990-01-02"),
    "JSON": binary(JSON_PATCH, [{"op": "replace", "path": "/birthDate", "value": "1990-01-02"}]),
    "XML": binary(
        XML_PATCH,
        '<diff xmlns:f="http://hl7.org/fhir">'
        '<replace sel="f:Patient/f:birthDate/@value">1990-01-02</replace></diff>',
    ),
    "FHIRPath in a Binary": binary(
        "application/fhir+json", fhirpath_patch("Patient.birthDate", valueDate="1990-01-02")
    ),
}


@pytest.mark.feature("http.batch.patch")
@pytest.mark.feature("http.transaction.patch")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "content"), PATCHES.items(), ids=PATCHES.keys())
def test_patches(client: httpx.Client, kind: str, name: str, content: Any) -> None:
    """A patch is a Parameters resource or a Binary, by id or by a condition."""
    ids = [f"bp-{kind}-{name.replace(' ', '-')}-{number}" for number in range(2)]
    for resource_id in ids:
        client.put(f"/Patient/{resource_id}", json=patient(resource_id, resource_id, birthDate="1980"))
    entries = [
        entry("PATCH", f"Patient/{ids[0]}", content),
        entry("PATCH", f"Patient?identifier=urn:i|{ids[1]}", content),
    ]
    answer = post(client, kind, *entries, prefer="return=representation")
    assert statuses(answer) == ["200", "200"]
    assert [item["response"]["etag"] for item in answer.json()["entry"]] == ['W/"2"'] * 2
    for item, resource_id in zip(answer.json()["entry"], ids, strict=True):
        assert item["resource"] == stored(client, f"Patient/{resource_id}")
        assert item["resource"]["birthDate"] == "1990-01-02"


BAD_PATCHES: dict[str, tuple[Entry, int]] = {
    "no patch": (entry("PATCH", "Patient/pf"), 400),
    "a resource": (entry("PATCH", "Patient/pf", patient("pf")), 400),
    "no content type": (entry("PATCH", "Patient/pf", {"resourceType": "Binary", "data": "AAAA"}), 400),
    "another content type": (entry("PATCH", "Patient/pf", binary("text/plain", "x")), 400),
    "no base64": (
        entry("PATCH", "Patient/pf", {"resourceType": "Binary", "contentType": JSON_PATCH, "data": "?"}),
        400,
    ),
    "nothing at the path": (entry("PATCH", "Patient/pf", fhirpath_patch("Patient.name.family")), 422),
    "invalid result": (entry("PATCH", "Patient/pf", fhirpath_patch("Patient.gender", valueCode="x")), 422),
    "another id": (entry("PATCH", "Patient/pf", fhirpath_patch("Patient.id", valueId="other")), 400),
    "stale version": (entry("PATCH", "Patient/pf", PATCHES["FHIRPath"], ifMatch='W/"9"'), 412),
    "no such resource": (entry("PATCH", "Patient/pf-none", PATCHES["FHIRPath"]), 400),
    "no match": (entry("PATCH", "Patient?identifier=urn:i|pf-none", PATCHES["FHIRPath"]), 400),
    "several matches": (entry("PATCH", "Patient?identifier=urn:i|pf,urn:i|pf2", PATCHES["FHIRPath"]), 412),
    "no condition": (entry("PATCH", "Patient", PATCHES["FHIRPath"]), 400),
}


@pytest.mark.feature("http.transaction.patch")
@pytest.mark.parametrize(("bad", "status"), BAD_PATCHES.values(), ids=BAD_PATCHES.keys())
def test_a_patch_that_fails_fails_the_transaction(client: httpx.Client, bad: Entry, status: int) -> None:
    """Nothing is stored, and the issue names the entry; in a batch the entry alone fails."""
    for name in ("pf", "pf2"):
        if client.get(f"/Patient/{name}").status_code == 404:
            client.put(f"/Patient/{name}", json=patient(name, name, birthDate="1980", gender="male"))
    good = entry("PUT", "Patient/pf-good", patient("g", "pf-good"))
    answer = post(client, "transaction", good, bad)
    assert answer.status_code == status, answer.text
    assert answer.json()["issue"][0]["expression"][0].startswith("Bundle.entry[1]")
    assert client.get("/Patient/pf-good").status_code == 404
    [failed] = statuses(post(client, "batch", bad))
    assert failed.startswith("4")
    assert stored(client, "Patient/pf")["meta"]["versionId"] == "1"


@pytest.mark.feature("http.transaction.patch")
def test_links_in_patched_resources(client: httpx.Client) -> None:
    """What a patch brings may refer to other entries, or be a conditional reference."""
    client.put("/Patient/pl", json=patient("pl", "pl"))
    for name in ("pl-1", "pl-2"):
        client.put(f"/Basic/{name}", json=basic("Patient/pl", name))
    by_json = binary(JSON_PATCH, [{"op": "replace", "path": "/subject/reference", "value": UUID_1}])
    conditional = fhirpath_patch("Basic.subject", valueReference={"reference": "Patient?identifier=urn:i|pl"})
    answer = post(
        client,
        "transaction",
        entry("PATCH", "Basic/pl-1", by_json),
        entry("PATCH", "Basic/pl-2", conditional),
        entry("POST", "Patient", patient("pl-new"), UUID_1),
    )
    assert statuses(answer) == ["200", "200", "201"]
    address = "/".join(answer.json()["entry"][2]["response"]["location"].split("/")[-4:-2])
    assert stored(client, "Basic/pl-1")["subject"]["reference"] == address
    assert stored(client, "Basic/pl-2")["subject"]["reference"] == "Patient/pl"


@pytest.mark.feature("http.transaction.overlap")
@pytest.mark.parametrize(
    "entries",
    [
        [entry("PATCH", "Patient/ov", PATCHES["FHIRPath"]), entry("DELETE", "Patient/ov")],
        [
            entry("PATCH", "Patient?identifier=urn:i|ov", PATCHES["FHIRPath"]),
            entry("PUT", "Patient/ov", patient("ov", "ov")),
        ],
        [entry("DELETE", "Patient?identifier=urn:i|ov"), entry("PUT", "Patient/ov", patient("ov", "ov"))],
    ],
)
def test_resolved_identities_must_not_overlap(client: httpx.Client, entries: list[Entry]) -> None:
    """Also those that a condition leads to (#trules)."""
    if client.get("/Patient/ov").status_code == 404:
        client.put("/Patient/ov", json=patient("ov", "ov", birthDate="1980"))
    assert post(client, "transaction", *entries).status_code == 400
    assert stored(client, "Patient/ov")["meta"]["versionId"] == "1"


@pytest.mark.feature("http.transaction.patch")
def test_simultaneous_transactions_lose_no_patch(base_url: str, client: httpx.Client) -> None:
    """Of ten transactions at once each applies its patch to what the others left."""
    client.put("/Patient/race", json=patient("race", "race"))

    async def race() -> list[int]:
        headers = {"content-type": "application/fhir+json"}
        async with httpx.AsyncClient(headers=headers, timeout=60) as http:
            calls = []
            for number in range(10):
                added = {"op": "add", "path": "/identifier/-", "value": {"value": str(number)}}
                patch = entry("PATCH", "Patient/race", binary(JSON_PATCH, [added]))
                bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [patch]}
                calls.append(http.post(base_url, json=bundle))
            return [answer.status_code for answer in await asyncio.gather(*calls)]

    assert asyncio.run(race()) == [200] * 10
    assert len(stored(client, "Patient/race")["identifier"]) == 11


@pytest.mark.feature("http.batch.conditions")
@pytest.mark.parametrize("kind", KINDS)
def test_conditions_of_entries(client: httpx.Client, kind: str) -> None:
    """ifNoneExist, ifMatch and ifNoneMatch mean in an entry what the headers mean."""
    ids = {name: f"ce-{kind}-{name}" for name in ("exists", "match", "delete", "new")}
    for name in ("exists", "match", "delete"):
        client.put(f"/Patient/{ids[name]}", json=patient(ids[name], ids[name]))
    entries = [
        entry("POST", "Patient", patient("x"), ifNoneExist=f"identifier=urn:i|{ids['exists']}"),
        entry("POST", "Patient", patient("x"), ifNoneExist=f"Patient?identifier=urn:i|{ids['exists']}2"),
        entry("PUT", f"Patient/{ids['match']}", patient("x", ids["match"]), ifMatch='W/"1"'),
        entry("PUT", f"Patient/{ids['new']}", patient("x", ids["new"]), ifNoneMatch="*"),
        entry("DELETE", f"Patient/{ids['delete']}", ifMatch='W/"1"'),
    ]
    assert statuses(post(client, kind, *entries)) == ["200", "201", "200", "201", "204"]
    again = [entries[2], entries[3]]
    if kind == "batch":
        assert statuses(post(client, kind, *again)) == ["412", "412"]
    else:
        assert [post(client, kind, one).status_code for one in again] == [412, 412]
