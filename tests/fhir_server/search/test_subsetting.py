"""_summary and _elements on single resources. https://hl7.org/fhir/R4/search.html#summary"""

import tarfile
from pathlib import Path
from typing import Any

import pytest

from fhir_server.search.subsetting import SUBSETTED, Subsetting, parse_subsetting, subset
from resources.definitions import resource_types
from resources.json_format import parse
from resources.operation_outcome import InvalidSearch
from resources.validation import validate

Resource = dict[str, Any]

PATIENT: Resource = {
    "resourceType": "Patient",
    "id": "1",
    "meta": {"versionId": "3", "tag": [{"system": "urn:tags", "code": "ward"}]},
    "implicitRules": "http://example.org/rules",
    "language": "en",
    "text": {"status": "generated", "div": "<div>Ann</div>"},
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Acme"}],
    "extension": [{"url": "urn:e", "valueString": "x"}],
    "modifierExtension": [{"url": "urn:m", "valueBoolean": True}],
    "name": [{"family": "Ann", "extension": [{"url": "urn:e", "valueString": "x"}]}],
    "birthDate": "1980-01-01",
    "_birthDate": {"extension": [{"url": "urn:time", "valueDateTime": "1980-01-01T12:00:00Z"}]},
    "deceasedBoolean": False,
    "maritalStatus": {"text": "married"},
    "photo": [{"contentType": "image/png", "data": "AAAA"}],
    "contact": [{"name": {"family": "Bob"}}],
    "communication": [{"language": {"text": "English"}}],
    "managingOrganization": {"reference": "#o"},
}

OBSERVATION: Resource = {
    "resourceType": "Observation",
    "id": "1",
    "text": {"status": "generated", "div": "<div>x</div>"},
    "status": "final",
    "code": {"text": "weight"},
    "subject": {"reference": "Patient/1"},
    "issued": "2020-01-01T00:00:00Z",
    "valueQuantity": {"value": 5, "unit": "kg"},
    "note": [{"text": "wet"}],
    "component": [
        {
            "id": "c",
            "code": {"text": "part"},
            "valueString": "x",
            "interpretation": [{"text": "high"}],
            "extension": [{"url": "urn:e", "valueString": "x"}],
        }
    ],
}

DOCUMENT: Resource = {
    "resourceType": "DocumentReference",
    "id": "1",
    "status": "current",
    "content": [{"attachment": {"contentType": "text/plain", "data": "AAAA", "size": 3}}],
}


def _keys(resource: Resource) -> set[str]:
    return set(resource) - {"resourceType", "id", "meta"}


@pytest.mark.parametrize(
    ("summary", "resource", "kept"),
    [
        (
            "true",
            PATIENT,
            "implicitRules modifierExtension name birthDate _birthDate deceasedBoolean managingOrganization",
        ),
        ("true", OBSERVATION, "status code subject issued valueQuantity component"),
        # "Return only the text ... id ... meta element, and only top-level mandatory elements"
        ("text", PATIENT, "text"),
        ("text", OBSERVATION, "text status code"),
        # "Remove the text element"
        ("data", PATIENT, " ".join(sorted(_keys(PATIENT) - {"text"}))),
        ("data", OBSERVATION, " ".join(sorted(_keys(OBSERVATION) - {"text"}))),
    ],
)
@pytest.mark.feature("search.result._summary")
def test_summary(summary: Any, resource: Resource, kept: str) -> None:
    """https://hl7.org/fhir/R4/search.html#summary: each value keeps what the table there says."""
    found = subset(resource, Subsetting(summary))
    assert _keys(found) == set(kept.split())
    assert all(found[key] == resource[key] for key in kept.split() if key != "component")
    assert SUBSETTED in found["meta"]["tag"]


def test_false_is_the_resource_itself() -> None:
    """Nothing is taken away, so nothing is marked."""
    assert subset(PATIENT, Subsetting("false")) is PATIENT


def test_a_summary_goes_into_backbone_elements() -> None:
    """Of a component what is marked for the summary comes, and its id; extensions are not marked."""
    [component] = subset(OBSERVATION, Subsetting("true"))["component"]
    assert set(component) == {"id", "code", "valueString"}


def test_a_summary_has_all_of_a_data_type_but_attached_data() -> None:
    """ElementDefinition.isSummary: "Other than Attachment.data, all data type properties are included"."""
    [content] = subset(DOCUMENT, Subsetting("true"))["content"]
    assert content == {"attachment": {"contentType": "text/plain", "size": 3}}


def test_what_recurs_is_summarised_at_each_depth() -> None:
    """An element that has the content of another one is treated as that one."""
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"fullUrl": "urn:uuid:1", "link": [{"relation": "self", "url": "urn:x"}]}],
    }
    assert subset(bundle, Subsetting("true"))["entry"] == bundle["entry"]


@pytest.mark.parametrize(
    ("elements", "kept"),
    [
        ("subject", "status code subject"),
        ("value", "status code valueQuantity"),
        ("value[x]", "status code valueQuantity"),
        ("valueQuantity", "status code valueQuantity"),
        ("valueString,issued", "status code issued"),
        ("id", "status code"),
    ],
)
@pytest.mark.feature("search.result._elements")
def test_elements(elements: str, kept: str) -> None:
    """https://hl7.org/fhir/R4/search.html#elements: mandatory elements always come."""
    found = subset(OBSERVATION, parse_subsetting({"_elements": [elements]}, ["Observation"]))
    assert _keys(found) == set(kept.split())
    assert found["meta"]["tag"] == [SUBSETTED]


def test_elements_that_change_the_meaning_of_others_come_too() -> None:
    """A client that did not name the modifiers is not misled; a primitive has its extensions with it."""
    found = subset(PATIENT, parse_subsetting({"_elements": ["birthDate"]}, ["Patient"]))
    expected = "implicitRules modifierExtension birthDate _birthDate deceasedBoolean"
    assert _keys(found) == set(expected.split())


def test_the_tag_stands_beside_the_others_once() -> None:
    """https://hl7.org/fhir/R4/search.html#summary: "SHOULD mark the resources with the tag SUBSETTED"."""
    once = subset(PATIENT, Subsetting("data"))
    assert once["meta"] == {"versionId": "3", "tag": [*PATIENT["meta"]["tag"], SUBSETTED]}
    assert subset(once, Subsetting("data"))["meta"] == once["meta"]
    assert "tag" in PATIENT["meta"]
    assert len(PATIENT["meta"]["tag"]) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"_summary": ["all"]}, "_summary is true, text, data, false"),
        ({"_summary": ["count"]}, "count is for searches"),
        ({"_summary": ["true", "text"]}, "twice"),
        ({"_elements": ["status,wrong"]}, "'wrong'"),
        ({"_elements": ["name.family"]}, "no element of such a name"),
        ({"_elements": [",".join(["id"] * 201)]}, "200 elements"),
        ({"_elements": ["status"], "_summary": ["true"]}, "one of them"),
    ],
)
def test_what_is_not_understood(given: dict[str, list[str]], message: str) -> None:
    """An error says what would be."""
    with pytest.raises(InvalidSearch) as caught:
        parse_subsetting(given, ["Observation"])
    assert message in caught.value.issues[0].diagnostics


def test_elements_of_any_of_several_types() -> None:
    """In a search over types each takes the elements that it has."""
    wanted = parse_subsetting({"_elements": ["birthDate,issued"]}, ["Patient", "Observation"])
    assert "birthDate" in subset(PATIENT, wanted)
    assert "issued" in subset(OBSERVATION, wanted)


@pytest.mark.parametrize("resource_type", resource_types())
def test_each_type_has_its_summary(resource_type: str) -> None:
    """The plans of all types can be made, also of those whose elements recur."""
    for wanted in (Subsetting("true"), Subsetting("text"), Subsetting("false", ("id",))):
        found = subset({"resourceType": resource_type, "id": "1"}, wanted)
        assert found == {"resourceType": resource_type, "id": "1", "meta": {"tag": [SUBSETTED]}}


def test_parts_of_the_official_examples_are_valid(shared_data: Path) -> None:
    """What is left has all that is mandatory, as far as the whole had it; _summary=text and _elements too.

    A rule about elements that are not in the part (such as a reference to a contained resource) may break.
    """
    checked = 0
    with tarfile.open(shared_data / "fhir/r4-examples.tar.gz") as archive:
        for member in list(archive)[::9]:
            content = archive.extractfile(member)
            if content is None or not member.name.endswith(".json"):
                continue
            resource = parse(content.read())
            if not isinstance(resource, dict) or len(str(resource)) > 200_000 or validate(resource):
                continue
            for wanted in (Subsetting("true"), Subsetting("text"), Subsetting("false", ("id",))):
                part = subset(resource, wanted)
                missing = [issue for issue in validate(part) if issue.code in ("required", "structure")]
                assert not missing, (member.name, wanted, missing)
            checked += 1
    assert checked > 50
