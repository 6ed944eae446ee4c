"""reference: by id, type and id, or address; versions left aside. https://hl7.org/fhir/R4/search.html#reference"""

import httpx
import pytest

from tests.fhir_server.search.searching import Resource, Row, check, refusal, row_id, store

PROFILE = "http://acme.org/fhir/StructureDefinition/some-profile"


def _observation(name: str, subject: Resource | None, **more: object) -> Resource:
    always = {"resourceType": "Observation", "id": name, "status": "final", "code": {"text": "x"}}
    return always | more if subject is None else always | more | {"subject": subject}


def _pointing(name: str, address: str) -> Resource:
    return _observation(name, {"reference": address})


def _library(name: str, *canonicals: str) -> Resource:
    related = [{"type": "depends-on", "resource": canonical} for canonical in canonicals]
    kind = {"coding": [{"code": "logic-library"}]}
    return {
        "resourceType": "Library",
        "id": name,
        "status": "draft",
        "type": kind,
        "relatedArtifact": related,
    }


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client, base_url: str) -> None:
    contained = {"resourceType": "Patient", "id": "p"}
    store(
        client,
        [
            _pointing("relative", "Patient/23"),
            _pointing("absolute", f"{base_url}/Patient/23"),
            _pointing("versioned", "Patient/23/_history/4"),
            _pointing("absolute-versioned", f"{base_url}/Patient/23/_history/5"),
            _pointing("group", "Group/23"),
            _pointing("elsewhere", "http://elsewhere.org/fhir/Patient/23"),
            _pointing("elsewhere-versioned", "http://elsewhere.org/fhir/Patient/23/_history/1"),
            _pointing("another", "Patient/231"),
            _observation("display-only", {"display": "Patient/23"}),
            _observation("contained", {"reference": "#p"}, contained=[contained]),
            _observation("no-subject", None, performer=[{"reference": "Practitioner/23"}]),
            _observation("members", None, hasMember=[{"reference": f"Observation/{n}"} for n in "12"]),
            _library("version-1", f"{PROFILE}|1.0"),
            _library("version-2", f"{PROFILE}|2.0"),
            _library("any-version", PROFILE),
            _library("two", f"{PROFILE}|1.0", "http://acme.org/other"),
            {
                "resourceType": "Bundle",
                "id": "document",
                "type": "document",
                "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:1"},
                "timestamp": "2020-01-01T00:00:00Z",
                "entry": [
                    {
                        "fullUrl": "http://acme.org/Composition/c",
                        "resource": {
                            "resourceType": "Composition",
                            "id": "c",
                            "status": "final",
                            "type": {"text": "x"},
                            "date": "2020",
                            "author": [{"display": "x"}],
                            "title": "x",
                        },
                    }
                ],
            },
        ],
    )


_ELSEWHERE = "elsewhere elsewhere-versioned"
_PATIENT_23 = "relative absolute versioned absolute-versioned"

TABLE: list[Row] = [
    # [type]/[id]: "a relative reference resolving to the same value as a specified absolute URL"
    ("reference", "Observation?subject=Patient/23", _PATIENT_23),
    ("reference", "Observation?subject=BASE/Patient/23", _PATIENT_23),
    ("reference", "Observation?subject=Group/23", "group"),
    # [id]: any type that the parameter may refer to
    ("reference", "Observation?subject=23", f"{_PATIENT_23} group"),
    ("reference", "Observation?subject=2", ""),
    ("reference", "Observation?performer=23", "no-subject"),
    # "patient ... is limited to only include references of type Patient"
    ("reference", "Observation?patient=23", _PATIENT_23),
    ("reference", "Observation?patient=Patient/23", _PATIENT_23),
    ("reference", "Observation?patient=Group/23", ""),
    ("reference", "Observation?patient=http://elsewhere.org/fhir/Patient/23", _ELSEWHERE),
    # [url]
    ("reference", "Observation?subject=http://elsewhere.org/fhir/Patient/23", _ELSEWHERE),
    ("reference", "Observation?subject=http://nowhere.org/fhir/Patient/23", ""),
    ("reference", "Observation?subject=HTTP://elsewhere.org/fhir/Patient/23", ""),
    # ":[type]": "has the same effect as the previous search"
    ("reference", "Observation?subject:Patient=23", _PATIENT_23),
    ("reference", "Observation?subject:Group=23", "group"),
    # a version that is asked for is the one that is found
    ("versions", "Observation?subject=Patient/23/_history/4", "versioned"),
    ("versions", "Observation?subject=Patient/23/_history/5", "absolute-versioned"),
    ("versions", "Observation?subject=BASE/Patient/23/_history/4", "versioned"),
    ("versions", "Observation?subject=Patient/23/_history/6", ""),
    # canonicals: any version, or the one that is asked for
    ("versions", f"Library?depends-on={PROFILE}", "version-1 version-2 any-version two"),
    ("versions", f"Library?depends-on={PROFILE}|1.0", "version-1 two"),
    ("versions", f"Library?depends-on={PROFILE}|1", ""),
    # "also used to search resource elements of type Resource"
    ("reference", "Bundle?composition=Composition/c", "document"),
    ("reference", "Bundle?composition=c", "document"),
    ("reference", "Bundle?composition=Composition/d", ""),
    ("reference", "Bundle?message=c", ""),
    ("combining", "Observation?subject=Group/23,Patient/231", "group another"),
    ("combining", "Observation?has-member=Observation/1&has-member=Observation/2", "members"),
    ("combining", "Observation?has-member=Observation/1&has-member=Observation/3", ""),
    ("combining", "Observation?subject=Patient/23&patient=Group/23", ""),
    ("errors", "Observation?subject=101", ""),
    ("modifiers", "Observation?subject:missing=true&has-member:missing=true", "no-subject"),
    ("modifiers", "Observation?has-member:missing=false", "members"),
]


@pytest.mark.feature("search.reference")
@pytest.mark.feature("search.reference.type")
@pytest.mark.parametrize("row", TABLE, ids=row_id)
def test_reference(client: httpx.Client, base_url: str, row: Row) -> None:
    """Each search of the table finds what its rule says; BASE is the address of this server."""
    anchor, search, expected = row
    check(client, (anchor, search.replace("BASE", base_url), expected))


@pytest.mark.parametrize("search", ["subject=,", "subject=Patient/1,,Patient/2"])
def test_what_is_no_reference_is_refused(client: httpx.Client, search: str) -> None:
    """https://hl7.org/fhir/R4/search.html#errors: 400 with what a reference looks like, without the value."""
    diagnostics = refusal(client, f"Observation?{search}")["diagnostics"]
    assert diagnostics.startswith("subject: ")
    assert "Type/id" in diagnostics


@pytest.mark.parametrize("modifier", ["Practitioner", "patient", "text", "in", "exact", "Nonsense"])
def test_a_modifier_that_is_no_target_is_refused(client: httpx.Client, modifier: str) -> None:
    """https://hl7.org/fhir/R4/search.html#modifiers: a modifier that is not supported is an error."""
    assert "modifiers" in refusal(client, f"Observation?subject:{modifier}=23")["diagnostics"]
