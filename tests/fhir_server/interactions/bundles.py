"""Bundles put together for tests, and what became of their entries."""

import base64
import json
from typing import Any

import httpx

Entry = dict[str, Any]
KINDS = ("batch", "transaction")
JSON_PATCH = "application/json-patch+json"
XML_PATCH = "application/xml-patch+xml"
UUID_1 = "urn:uuid:8f5f4a6c-2222-4b0e-9d6a-000000000001"
UUID_2 = "urn:uuid:8f5f4a6c-2222-4b0e-9d6a-000000000002"


def entry(method: str, url: str, resource: Any = None, full_url: str | None = None, **request: str) -> Entry:
    """Return a Bundle.entry."""
    result: Entry = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        result["resource"] = resource
    if full_url is not None:
        result["fullUrl"] = full_url
    return result


def post(client: httpx.Client, kind: str, *entries: Entry, **headers: str) -> httpx.Response:
    """Post a Bundle."""
    bundle = {"resourceType": "Bundle", "type": kind, "entry": list(entries)}
    return client.post("", json=bundle, headers=headers)


def statuses(answer: httpx.Response) -> list[str]:
    """Return the statuses of the entries of an answer."""
    assert answer.status_code == 200, answer.text
    return [item["response"]["status"][:3] for item in answer.json()["entry"]]


def patient(value: str, resource_id: str | None = None, **elements: Any) -> dict[str, Any]:
    """Return a Patient with an identifier."""
    resource = {"resourceType": "Patient", "identifier": [{"system": "urn:i", "value": value}], **elements}
    return resource if resource_id is None else {**resource, "id": resource_id}


def basic(subject: str, resource_id: str | None = None) -> dict[str, Any]:
    """Return a Basic about `subject`."""
    resource = {"resourceType": "Basic", "code": {"text": "x"}, "subject": {"reference": subject}}
    return resource if resource_id is None else {**resource, "id": resource_id}


def binary(content_type: str, content: Any) -> dict[str, Any]:
    """Return a Binary that holds a patch."""
    text = content if isinstance(content, str) else json.dumps(content)
    return {
        "resourceType": "Binary",
        "contentType": content_type,
        "data": base64.b64encode(text.encode()).decode(),
    }


def fhirpath_patch(path: str, **value: Any) -> dict[str, Any]:
    """Return a FHIRPath Patch that replaces one element."""
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": path},
        {"name": "value", **value},
    ]
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}


def stored(client: httpx.Client, address: str) -> Any:
    """Return a resource as it is now."""
    answer = client.get(f"/{address}")
    assert answer.status_code == 200, answer.text
    return answer.json()
