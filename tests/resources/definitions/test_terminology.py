"""Code systems and value sets of the specification: https://hl7.org/fhir/R4/terminologies.html."""

from collections.abc import Set

import pytest

from resources.definitions import (
    code_system,
    code_system_urls,
    concept_maps,
    structure,
    type_names,
    value_set_codes,
    value_set_systems,
    value_sets,
)

FHIR = "http://hl7.org/fhir/ValueSet/"
MOOD_PREDICATES = frozenset(
    ["CRT", "EVN.CRT", "GOL.CRT", "INT.CRT", "PRMS.CRT", "RQO.CRT", "RSK.CRT", "EXPEC", "GOL", "OPT", "RSK"]
)
TABLE_136 = "http://terminology.hl7.org/CodeSystem/v2-0136"
V3 = "http://terminology.hl7.org/CodeSystem/v3-"


def required_value_sets() -> set[str]:
    """Return the value sets of all required bindings of types and resources."""
    return {
        element.binding.value_set
        for name in (*type_names("resource"), *type_names("complex-type"))
        for element in structure(name).elements.values()
        if element.binding is not None and element.binding.strength == "required"
    }


def test_220_of_224_required_bindings_expand() -> None:
    """Each of the other four draws on a system that the specification does not publish."""
    required = required_value_sets()
    assert len(required) == 224
    assert {url for url in required if value_set_codes(url) is None} == {
        "http://hl7.org/fhir/ValueSet/currencies",  # ISO 4217
        "http://hl7.org/fhir/ValueSet/mimetypes",  # BCP 13, a grammar
        "http://hl7.org/fhir/ValueSet/ucum-units",  # UCUM, a grammar
        "http://loinc.org/vs/LL379-9",  # an answer list that is not in the package
    }


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            FHIR + "administrative-gender",
            {
                ("http://hl7.org/fhir/administrative-gender", c)
                for c in ("male", "female", "other", "unknown")
            },
        ),
        # a list of codes: https://hl7.org/fhir/R4/valueset-days-of-week.html
        (
            FHIR + "publication-status",
            {
                ("http://hl7.org/fhir/publication-status", c)
                for c in ("draft", "active", "retired", "unknown")
            },
        ),
        # two systems: https://hl7.org/fhir/R4/valueset-yesnodontknow.html
        (
            FHIR + "yesnodontknow",
            {
                (TABLE_136, "Y"),
                (TABLE_136, "N"),
                ("http://terminology.hl7.org/CodeSystem/data-absent-reason", "asked-unknown"),
            },
        ),
        # is-a and exclude: https://hl7.org/fhir/R4/v3/ActRelationshipConditional/vs.html
        (
            "http://terminology.hl7.org/ValueSet/v3-SeverityObservation",
            {(V3 + "ObservationValue", code) for code in ("H", "L", "M")},
        ),
        # descendent-of, also two levels down: https://hl7.org/fhir/R4/valueset-inactive.html
        (
            FHIR + "inactive",
            {(V3 + "ActMood", code) for code in MOOD_PREDICATES},
        ),
    ],
)
def test_expansions(url: str, expected: Set[tuple[str, str]]) -> None:
    """A value set has the codes that its page lists."""
    codes = value_set_codes(url)
    assert codes is not None
    assert set(codes) == expected


def test_is_not_a_leaves_out_a_concept() -> None:
    """https://hl7.org/fhir/R4/valueset-patient-contactrelationship.html is v2 table 0131 without "O"."""
    contacts = value_set_codes(FHIR + "patient-contactrelationship")
    table = code_system("http://terminology.hl7.org/CodeSystem/v2-0131")
    assert contacts is not None
    assert set(contacts) == {(table.url, code) for code in table.concepts if code != "O"}


def test_a_version_after_the_url_is_ignored() -> None:
    """Bindings name value sets with a version at times: https://hl7.org/fhir/R4/references.html#canonical."""
    assert value_set_codes(FHIR + "administrative-gender|4.0.1") == value_set_codes(
        FHIR + "administrative-gender"
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/unknown",
        FHIR + "service-type",  # its code system is published as an example only
        FHIR + "all-languages",  # a grammar: BCP 47
        FHIR + "doc-typecodes",  # LOINC
        FHIR + "example-intensional",  # LOINC, in what is excluded too
        FHIR + "iso3166-1-3",  # ISO 3166
    ],
)
def test_what_the_definitions_do_not_tell(url: str) -> None:
    """A value set that needs codes from elsewhere does not expand."""
    assert value_set_codes(url) is None


def test_every_value_set_expands_or_is_known_not_to() -> None:
    """No value set fails: all but 98 of 1,316 expand, three of them to nothing, having no codes."""
    expansions = {url: value_set_codes(url) for url in value_sets()}
    assert len(expansions) == 1316
    assert sum(codes is None for codes in expansions.values()) == 98
    assert {url for url, codes in expansions.items() if codes == frozenset()} == {
        "http://hl7.org/fhir/ValueSet/example-filter",
        "http://hl7.org/fhir/ValueSet/message-events",
        "http://terminology.hl7.org/ValueSet/v3-policyHolderRole",
    }


def test_the_systems_of_a_value_set_are_those_of_its_codes() -> None:
    """No code of an expansion is from a system that the value set does not draw on."""
    for url in value_sets():
        assert {system for system, _ in value_set_codes(url) or ()} <= value_set_systems(url), url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (FHIR + "mimetypes", {"urn:ietf:bcp:13"}),
        (FHIR + "yesnodontknow", {TABLE_136, "http://terminology.hl7.org/CodeSystem/data-absent-reason"}),
        ("http://example.org/unknown", set()),
    ],
)
def test_the_systems_of_a_value_set(url: str, expected: set[str]) -> None:
    """The systems are known even where their codes are not, and those of imported value sets count."""
    assert value_set_systems(url) == expected


def test_all_code_systems_load() -> None:
    """The 1,062 code systems have 20,731 concepts."""
    systems = [code_system(url) for url in code_system_urls()]
    assert len(systems) == 1062
    assert sum(len(system.concepts) for system in systems) == 20731


def test_a_code_system_has_its_facts() -> None:
    """https://hl7.org/fhir/R4/codesystem-observation-status.html."""
    status = code_system("http://hl7.org/fhir/observation-status")
    assert status.case_sensitive
    assert status.content == "complete"
    assert status.value_set == "http://hl7.org/fhir/ValueSet/observation-status"
    assert status.concepts["corrected"].display == "Corrected"
    assert status.concepts["corrected"].parents == ("amended",)


def test_an_unknown_code_system_is_a_key_error() -> None:
    """LOINC is not among the definitions."""
    with pytest.raises(KeyError):
        code_system("http://loinc.org")


def test_a_concept_may_have_several_parents() -> None:
    """HL7 v3 lists further children as a property: https://hl7.org/fhir/R4/v3/ActCode/cs.html."""
    codes = code_system(V3 + "ActCode")
    assert codes.concepts["DALG"].parents == ("ALG", "DINT")
    assert "DALG" in codes.descendants("DINT")
    assert codes.descendants("DALG") == frozenset()


def test_concepts_have_designations() -> None:
    """A designation is a display in another language: https://hl7.org/fhir/R4/v2/0001/index.html."""
    female = code_system("http://terminology.hl7.org/CodeSystem/v2-0001").concepts["F"]
    assert female.display == "Female"
    assert dict(female.designations)["de"] == "weiblich"


def test_concept_maps() -> None:
    """https://hl7.org/fhir/R4/cm-administrative-gender-v2.html."""
    maps = {facts["url"]: facts for facts in concept_maps()}
    assert len(maps) == 80
    group = maps["http://hl7.org/fhir/ConceptMap/cm-administrative-gender-v2"]["group"][0]
    assert {row["code"]: [target["code"] for target in row["target"]] for row in group["element"]}[
        "male"
    ] == ["M"]
