"""Links between the entries of a transaction: to versions, in narratives, in canonicals.

https://hl7.org/fhir/R4/http.html#trules
"""

import httpx
import pytest

from tests.fhir_server.interactions.bundles import UUID_1, basic, entry, patient, post, statuses, stored

VERSIONED: dict[str, tuple[str, str, str]] = {
    "to another resource": ("Patient/vr-other/_history/3", "Patient/vr-other/_history/3", "POST"),
    "to a new one": (f"{UUID_1}/_history/7", "{new}/_history/1", "POST"),
    "to a new one by its address": ("Patient/vr-9/_history/7", "Patient/vr-9/_history/1", "PUT new"),
    "to a new version": ("Patient/vr/_history/1", "Patient/vr/_history/3", "PUT"),
    "a fragment alone": ("#c", "#c", "POST"),
}


@pytest.mark.feature("http.transaction.versioned-references")
@pytest.mark.parametrize(("sent", "expected", "method"), VERSIONED.values(), ids=VERSIONED.keys())
def test_versioned_references(
    base_url: str, client: httpx.Client, sent: str, expected: str, method: str
) -> None:
    """A link to a version stays one, to the version that the transaction makes (#trules)."""
    client.delete("/Patient/vr")
    client.delete("/Patient/vr-9")
    if method == "PUT":
        expected = expected.replace("/3", f"/{_next_version(client, 'vr')}")
    target = {
        "POST": entry("POST", "Patient", patient("vr"), UUID_1),
        "PUT": entry("PUT", "Patient/vr", patient("vr", "vr"), f"{base_url}/Patient/vr"),
        "PUT new": entry("PUT", "Patient/vr-9", patient("vr", "vr-9"), f"{base_url}/Patient/vr-9"),
    }[method]
    source = {**basic(sent), "contained": [{"resourceType": "Patient", "id": "c"}]}
    if sent != "#c":
        source["extension"] = [{"url": "urn:x", "valueReference": {"reference": "#c"}}]
    answer = post(client, "transaction", entry("POST", "Basic", source), target)
    assert statuses(answer)[0] == "201"
    created, made = (
        "/".join(item["response"].get("location", "").split("/")[-4:-2]) for item in answer.json()["entry"]
    )
    assert stored(client, created)["subject"]["reference"] == expected.replace("{new}", made)


def _next_version(client: httpx.Client, resource_id: str) -> int:
    history = client.get(f"/Patient/{resource_id}/_history").json()
    return len(history.get("entry", [])) + 1


@pytest.mark.feature("http.versioned-references")
def test_versioned_references_are_kept_as_sent(client: httpx.Client) -> None:
    """Also those to versions that the server does not have."""
    client.put("/Basic/kept", json=basic("Patient/some/_history/3", "kept"))
    assert stored(client, "Basic/kept")["subject"]["reference"] == "Patient/some/_history/3"


@pytest.mark.feature("http.transaction.links")
def test_links_in_narratives_and_canonicals(client: httpx.Client) -> None:
    """Links of `<a>` and `<img>` are rewritten; other text and canonicals are left as they are (#trules)."""

    def div(address: str) -> str:
        return (
            '<div xmlns="http://www.w3.org/1999/xhtml">'
            f'<a title="{UUID_1}" href="{address}">{UUID_1}</a><a href=\'{address}#part\'>x</a>'
            f'<p><img alt="x" src="{address}"/></p><a href="http://elsewhere.example/">y</a></div>'
        )

    composition = {
        "resourceType": "Composition",
        "status": "final",
        "type": {"text": "x"},
        "date": "2020",
        "author": [{"reference": UUID_1}],
        "title": "x",
        "text": {"status": "generated", "div": div(UUID_1)},
        "section": [{"text": {"status": "generated", "div": div(UUID_1)}}],
        "extension": [{"url": "urn:x", "valueCanonical": UUID_1}, {"url": "urn:y", "valueUri": UUID_1}],
    }
    answer = post(
        client,
        "transaction",
        entry("POST", "Composition", composition),
        entry("POST", "Patient", patient("narrated"), UUID_1),
    )
    assert statuses(answer) == ["201", "201"]
    made, target = (
        "/".join(item["response"]["location"].split("/")[-4:-2]) for item in answer.json()["entry"]
    )
    found = stored(client, made)
    assert found["text"]["div"] == found["section"][0]["text"]["div"] == div(target)
    assert [value["url"] for value in found["extension"]] == ["urn:x", "urn:y"]
    assert [found["extension"][0]["valueCanonical"], found["extension"][1]["valueUri"]] == [UUID_1, target]
