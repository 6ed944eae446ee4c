"""Custom parameters as the tests add them, reindexings as they wait for them."""

import time
from typing import Any

import httpx

Json = dict[str, Any]

PATIENCE_SECONDS = 60.0
ACME = "http://acme.example.org/fhir"


def definition(code: str, expression: str, **elements: Any) -> Json:
    """Return an active SearchParameter of Patient, a token unless `elements` say otherwise."""
    return {
        "resourceType": "SearchParameter",
        "url": f"{ACME}/SearchParameter/{code}",
        "name": code.replace("-", "_"),
        "status": "active",
        "description": "A parameter of the tests",
        "code": code,
        "base": ["Patient"],
        "type": "token",
        "expression": expression,
        **elements,
    }


def add(client: httpx.Client, *definitions: Json) -> list[str]:
    """Store SearchParameters; return their ids."""
    answers = [client.post("/SearchParameter", json=one) for one in definitions]
    assert [answer.status_code for answer in answers] == [201] * len(answers), answers[-1].text
    return [answer.json()["id"] for answer in answers]


def facts(answer: httpx.Response) -> Json:
    """Return the parameters of a state by name."""
    body = answer.json()
    assert body["resourceType"] == "Parameters", body
    return {
        part["name"]: next((value for key, value in part.items() if key.startswith("value")), part)
        for part in body["parameter"]
    }


def begin(client: httpx.Client, path: str = "/$reindex", **query: str) -> str:
    """Begin a reindexing; return where its state is."""
    answer = client.post(path, params=query)
    assert answer.status_code == 202, answer.text
    address: str = facts(answer)["url"]
    return address


def wait(client: httpx.Client, address: str) -> Json:
    """Return the state of a reindexing that has ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        state = facts(client.get(address))
        if "ended" in state:
            return state
        time.sleep(0.02)
    raise AssertionError(f"the reindexing did not end: {state}")


def reindex(client: httpx.Client, path: str = "/$reindex", **query: str) -> Json:
    """Reindex, and return the state when that is complete."""
    state = wait(client, begin(client, path, **query))
    assert state["status"] == "completed", state
    return state


def found(client: httpx.Client, search: str) -> list[str]:
    """Return the ids that a search of patients finds, in its order."""
    answer = client.get(f"/Patient?{search}")
    assert answer.status_code == 200, answer.text
    return [entry["resource"]["id"] for entry in answer.json().get("entry", ())]
