"""Concepts of code systems: lookup, subsumption, translation. https://hl7.org/fhir/R4/terminology-service.html"""

import asyncio

import pytest

from resources.operation_outcome import FhirError, ResourceNotFound, UnprocessableContent
from terminology.lookup import lookup
from terminology.source import NothingStored
from terminology.subsumes import above, below, subsumes
from terminology.translate import translate

ROLE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
NOTHING = NothingStored()


def test_lookup() -> None:
    """https://hl7.org/fhir/R4/codesystem-operation-lookup.html: a code's display and properties."""
    found = asyncio.run(lookup(ROLE, "HOSP", NOTHING))
    assert found.code == "HOSP"
    assert found.concept.display == "Hospital"
    for system, code in ((ROLE, "none"), ("http://acme.example/none", "HOSP"), (f"{ROLE}|0", "HOSP")):
        with pytest.raises(ResourceNotFound):
            asyncio.run(lookup(system, code, NOTHING))


@pytest.mark.parametrize(
    ("code_a", "code_b", "outcome"),
    [
        ("MTH", "MTH", "equivalent"),
        ("PRN", "NMTH", "subsumes"),
        ("FAMMEMB", "NMTH", "subsumes"),
        ("NMTH", "FAMMEMB", "subsumed-by"),
        ("MTH", "HOSP", "not-subsumed"),
    ],
)
def test_subsumes(code_a: str, code_b: str, outcome: str) -> None:
    """https://hl7.org/fhir/R4/codesystem-operation-subsumes.html: over any number of levels."""
    assert asyncio.run(subsumes(ROLE, code_a, code_b, NOTHING)) == outcome


def test_above_and_below() -> None:
    """A code is above and below itself, and what is below is what it subsumes."""
    assert {"PRN", "MTH", "NMTH"} <= asyncio.run(below(ROLE, "PRN", NOTHING))
    assert {"NMTH", "MTH", "PRN", "FAMMEMB"} <= asyncio.run(above(ROLE, "NMTH", NOTHING))
    assert "HOSP" not in asyncio.run(below(ROLE, "PRN", NOTHING))


@pytest.mark.parametrize(
    ("system", "code", "says"),
    [
        ("http://snomed.info/sct", "73211009", "not known"),
        (ROLE, "none", "no such code"),
        ("http://hl7.org/fhir/CodeSystem/example", "chol", ""),
    ],
)
def test_hierarchies_that_are_not_known(system: str, code: str, says: str) -> None:
    """A hierarchy that is not here, or not all of it, is an error that says so."""
    if not says:
        assert "chol" in asyncio.run(below(system, code, NOTHING))
        return
    with pytest.raises(UnprocessableContent) as caught:
        asyncio.run(below(system, code, NOTHING))
    assert says in caught.value.issues[0].diagnostics


def test_translate() -> None:
    """https://hl7.org/fhir/R4/conceptmap-operation-translate.html: by one map, or by all that are known."""
    found = asyncio.run(
        translate(
            "http://hl7.org/fhir/address-use",
            "home",
            NOTHING,
            concept_map="http://hl7.org/fhir/ConceptMap/101",
        )
    )
    assert [(match.equivalence, match.code) for match in found] == [("equivalent", "H")]
    target = "http://terminology.hl7.org/CodeSystem/v3-AddressUse"
    assert found[0].system == target
    by_all = asyncio.run(translate("http://hl7.org/fhir/address-use", "home", NOTHING, target=target))
    assert set(found) <= set(by_all)
    fixed = asyncio.run(translate("http://hl7.org/fhir/address-use", "none", NOTHING, target=target))
    assert {(match.equivalence, match.code) for match in fixed} == {("inexact", "temp")}
    assert asyncio.run(translate("urn:a", "b", NOTHING)) == []
    with pytest.raises(FhirError):
        asyncio.run(translate("urn:a", "b", NOTHING, concept_map="http://acme.example/none"))
