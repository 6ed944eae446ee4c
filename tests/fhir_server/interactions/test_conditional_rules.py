"""What the specification says of each conditional interaction, as a table (https://hl7.org/fhir/R4/http.html)."""

import asyncio
import json
from typing import Any

import httpx
import pytest

JSON_PATCH = "application/json-patch+json"
HTTP = "https://hl7.org/fhir/R4/http.html"
PATCH = json.dumps([{"op": "add", "path": "/active", "value": True}])


def patient(value: str, resource_id: str | None = None) -> dict[str, Any]:
    """Return a Patient with an identifier."""
    resource = {"resourceType": "Patient", "identifier": [{"system": "urn:r", "value": value}]}
    return resource if resource_id is None else {**resource, "id": resource_id}


# (request, criteria, body's id, status, address). There is one Patient of `one`, two are of `two`.
RULES: list[tuple[str, str, str | None, int, str]] = [
    ("POST", "identifier=urn:r|{none}", None, 201, "#ccreate"),
    ("POST", "Patient?identifier=urn:r|{none}", None, 201, "#ccreate"),
    ("POST", "identifier=urn:r|{one}", None, 200, "#ccreate"),
    ("POST", "identifier=urn:r%7C{one}", None, 200, "#ccreate"),
    ("POST", "identifier=urn:r|{two}", None, 412, "#ccreate"),
    ("POST", "identifier=urn:r|{one}&_sort=_id&_format=json", None, 200, "#ccreate"),
    ("POST", "nonsense=1", None, 400, "search.html#errors"),
    ("POST", "identifier=urn:r|{one}&nonsense=1", None, 400, "search.html#errors"),
    ("POST", "birthdate=yesterday", None, 400, "search.html#date"),
    ("POST", "", None, 400, "#ccreate"),
    ("POST", "identifier=", None, 400, "#ccreate"),
    ("POST", "_count=1", None, 400, "#ccreate"),
    ("PUT", "identifier=urn:r|{none}", None, 201, "#cond-update"),
    ("PUT", "identifier=urn:r|{none}", "{own}", 201, "#cond-update"),
    ("PUT", "identifier=urn:r|{one}", None, 200, "#cond-update"),
    ("PUT", "identifier=urn:r|{one}", "{one}", 200, "#cond-update"),
    ("PUT", "identifier=urn:r|{one}", "other", 400, "#cond-update"),
    ("PUT", "identifier=urn:r|{two}", None, 412, "#cond-update"),
    ("PUT", "identifier=urn:r|{none}", "b_d", 400, "datatypes.html#id"),
    ("PUT", "nonsense=1", None, 400, "search.html#errors"),
    ("PUT", "", None, 400, "#cond-update"),
    ("PATCH", "identifier=urn:r|{none}", None, 404, "#patch"),
    ("PATCH", "identifier=urn:r|{one}", None, 200, "#patch"),
    ("PATCH", "identifier=urn:r|{two}", None, 412, "#patch"),
    ("PATCH", "nonsense=1", None, 400, "search.html#errors"),
    ("DELETE", "identifier=urn:r|{none}", None, 204, "#cdelete"),
    ("DELETE", "identifier=urn:r|{one}", None, 204, "#cdelete"),
    ("DELETE", "identifier=urn:r|{two}", None, 412, "#cdelete"),
    ("DELETE", "nonsense=1", None, 400, "search.html#errors"),
    ("DELETE", "identifier=urn:r|{one}&_count=5", None, 204, "#cdelete"),
    ("DELETE", "_count=5", None, 400, "#cdelete"),
]


@pytest.mark.feature("http.conditional")
@pytest.mark.parametrize("bundled", ["", "batch", "transaction"])
@pytest.mark.parametrize(
    ("number", "rule"), list(enumerate(RULES)), ids=[f"{rule[0]} {rule[1]} {rule[3]}" for rule in RULES]
)
def test_rules(
    client: httpx.Client, number: int, rule: tuple[str, str, str | None, int, str], bundled: str
) -> None:
    """Each is answered as the text says, alone and in bundles; also if lenience is asked for."""
    method, criteria, own_id, status, _address = rule
    names = {name: f"{name}-{number}-{bundled}" for name in ("one", "two", "none", "own")}
    client.put(f"/Patient/{names['one']}", json=patient(names["one"], names["one"]))
    for _ in range(2):
        client.post("/Patient", json=patient(names["two"]))
    criteria = _named(criteria, names)
    body = patient(criteria.rpartition("|")[2].partition("&")[0] or "x", own_id and _named(own_id, names))
    if bundled:
        found = _bundled(client, bundled, method, criteria, body)
        in_transactions = {404: 400} if bundled == "transaction" else {}
        assert found == in_transactions.get(status, status)
    else:
        assert _alone(client, method, criteria, body) == status
    history = client.get(f"/Patient/{names['one']}/_history").json()["entry"]
    changed = method != "POST" and status in (200, 204) and names["none"] not in criteria
    assert len(history) == (2 if changed else 1)


def _named(text: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _alone(client: httpx.Client, method: str, criteria: str, body: Any) -> int:
    headers = {"prefer": "handling=lenient"}
    if method == "POST":
        answer = client.post("/Patient", json=body, headers={**headers, "if-none-exist": criteria})
    elif method == "PATCH":
        headers["content-type"] = JSON_PATCH
        answer = client.patch(f"/Patient?{criteria}", content=PATCH, headers=headers)
    else:
        sent = json.dumps(body) if method == "PUT" else None
        answer = client.request(method, f"/Patient?{criteria}", content=sent, headers=headers)
    return answer.status_code


def _bundled(client: httpx.Client, kind: str, method: str, criteria: str, body: Any) -> int:
    url = "Patient" if method == "POST" else f"Patient?{criteria}"
    request = {"method": method, "url": url}
    entry: dict[str, Any] = {"request": request}
    if method == "POST":
        request["ifNoneExist"] = criteria or "?"
    if method == "PATCH":
        parts = [
            {"name": "type", "valueCode": "add"},
            {"name": "path", "valueString": "Patient"},
            {"name": "name", "valueString": "active"},
            {"name": "value", "valueBoolean": True},
        ]
        body = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    if method != "DELETE":
        entry["resource"] = body
    answer = client.post("", json={"resourceType": "Bundle", "type": kind, "entry": [entry]})
    if answer.status_code != 200:
        return answer.status_code
    return int(answer.json()["entry"][0]["response"]["status"][:3])


READS = [
    ({}, 200),
    ({"if-none-match": 'W/"2"'}, 304),
    ({"if-none-match": 'W/"1"'}, 200),
    ({"if-none-match": 'W/"1", W/"2"'}, 304),
    ({"if-none-match": "*"}, 304),
    ({"if-modified-since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 304),
    ({"if-modified-since": "Sat, 01 Jan 2000 00:00:00 GMT"}, 200),
    ({"if-modified-since": "yesterday"}, 200),
    ({"if-none-match": 'W/"1"', "if-modified-since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 200),
]


@pytest.mark.feature("http.conditional.read")
@pytest.mark.parametrize(("headers", "status"), READS)
def test_conditional_read(client: httpx.Client, headers: dict[str, str], status: int) -> None:
    """https://hl7.org/fhir/R4/http.html#cread; If-None-Match goes first (RFC 9110, 13.2.2)."""
    if client.get("/Patient/read").status_code == 404:
        for _ in range(2):
            client.put("/Patient/read", json=patient("read", "read"))
    answer = client.get("/Patient/read", headers=headers)
    assert answer.status_code == status
    assert answer.headers["etag"] == 'W/"2"'
    assert bool(answer.content) is (status == 200)


@pytest.mark.feature("http.conditional.location")
def test_the_answer_says_which_resource_it_was(base_url: str, client: httpx.Client) -> None:
    """Whoever gave a condition does not know the id; neither do the entries of a bundle."""
    client.put("/Patient/located", json=patient("located", "located"))
    query = "identifier=urn:r|located"
    answers = [
        client.post("/Patient", json=patient("located"), headers={"if-none-exist": query}),
        client.put(f"/Patient?{query}", json=patient("located")),
        client.patch(f"/Patient?{query}", content=PATCH, headers={"content-type": JSON_PATCH}),
    ]
    locations = [answer.headers["location"] for answer in answers]
    assert locations == [f"{base_url}/Patient/located/_history/{number}" for number in (1, 2, 3)]
    entry = {
        "resource": patient("located"),
        "request": {"method": "POST", "url": "Patient", "ifNoneExist": query},
    }
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    response = client.post("", json=bundle).json()["entry"][0]["response"]
    assert (response["status"], response["location"]) == ("200 OK", locations[2])


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_condition_that_nobody_looks_at_is_refused(client: httpx.Client, method: str) -> None:
    """If-None-Match of a change is * or an error: a client that gives one relies on it."""
    client.put("/Patient/unlooked", json=patient("unlooked", "unlooked"))
    headers = {"if-none-match": 'W/"7"'}
    if method == "PATCH":
        headers["content-type"] = JSON_PATCH
    body = PATCH if method == "PATCH" else json.dumps(patient("unlooked", "unlooked"))
    assert client.request(method, "/Patient/unlooked", content=body, headers=headers).status_code == 400


@pytest.mark.feature("http.conditional.concurrent")
@pytest.mark.parametrize("bundled", [False, True])
def test_what_does_not_match_any_more_is_left_alone(
    base_url: str, client: httpx.Client, bundled: bool
) -> None:
    """A conditional delete and a change that ends the match, at once: never is the changed one deleted."""

    async def race(http: httpx.AsyncClient, name: str) -> None:
        request = {"method": "DELETE", "url": f"Patient?identifier=urn:r|{name}"}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [{"request": request}]}
        deletion = (
            http.post(base_url, json=bundle)
            if bundled
            else http.delete(f"{base_url}/Patient?identifier=urn:r|{name}")
        )
        await asyncio.gather(
            deletion, http.put(f"{base_url}/Patient/{name}", json=patient(f"{name}-changed", name))
        )

    async def races() -> None:
        headers = {"content-type": "application/fhir+json"}
        async with httpx.AsyncClient(headers=headers, timeout=60) as http:
            for name in names:
                await race(http, name)

    names = [f"raced-{number}-{bundled}".lower() for number in range(25)]
    for name in names:
        client.put(f"/Patient/{name}", json=patient(name, name))
    asyncio.run(races())
    for name in names:
        # Deleted before the change, which then made it anew, or not at all.
        assert client.get(f"/Patient/{name}").json()["identifier"][0]["value"] == f"{name}-changed"
