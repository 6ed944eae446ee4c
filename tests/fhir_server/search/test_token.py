"""token: codes, identifiers and the like, with or without their system.

https://hl7.org/fhir/R4/search.html#token
"""

import httpx
import pytest

from tests.fhir_server.search.searching import Resource, Row, check, refusal, row_id, store

LOINC = "http://loinc.org"
LOCAL = "http://acme.org/codes"
GENDER = "http://hl7.org/fhir/administrative-gender"


def _condition(name: str, *codings: Resource, **more: object) -> Resource:
    code = {"coding": list(codings)} if codings else {"text": "headache"}
    subject = {"reference": "Patient/1"}
    return {"resourceType": "Condition", "id": name, "subject": subject, "code": code, **more}


def _patient(name: str, **elements: object) -> Resource:
    return {"resourceType": "Patient", "id": name, **elements}


RESOURCES = [
    # CodeableConcept
    _condition("local", {"system": LOCAL, "code": "ha125"}),
    _condition("loinc", {"system": LOINC, "code": "8302-2"}),
    _condition("both", {"system": LOCAL, "code": "HA125"}, {"system": LOINC, "code": "8302-2"}),
    _condition("no-system", {"code": "ha125"}),
    _condition("no-code", {"system": LOCAL, "display": "headache"}),
    _condition("text-only"),
    _condition("piped", {"system": LOCAL, "code": "a|b,c$d"}),
    {"resourceType": "Condition", "id": "nothing", "subject": {"reference": "Patient/1"}},
    # Identifier, code, boolean, ContactPoint
    _patient("one", identifier=[{"system": "http://acme.org/patient", "value": "2345"}], gender="male"),
    _patient(
        "two", identifier=[{"value": "2345"}, {"system": "urn:oid:1.2", "value": "X9"}], gender="female"
    ),
    _patient("system-only", identifier=[{"system": "http://acme.org/patient"}], active=True),
    _patient("inactive", active=False, deceasedBoolean=False),
    _patient("dead", deceasedDateTime="2020-01-01", gender="male"),
    _patient(
        "telephone",
        telecom=[
            {"system": "phone", "value": "(03) 5555 6473", "use": "work"},
            {"system": "email", "value": "Eve@Example.org"},
        ],
    ),
    # Coding
    {
        "resourceType": "Encounter",
        "id": "ambulatory",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
    },
    # string and uri
    {
        "resourceType": "ValueSet",
        "id": "versioned",
        "url": "http://acme.org/ValueSet/1",
        "version": "1.0-Beta",
        "status": "draft",
    },
    {
        "resourceType": "MessageHeader",
        "id": "by-uri",
        "eventUri": "http://acme.org/Event",
        "source": {"endpoint": "http://acme.org"},
    },
    {
        "resourceType": "MessageHeader",
        "id": "by-coding",
        "eventCoding": {"system": LOCAL, "code": "admin"},
        "source": {"endpoint": "http://acme.org"},
    },
]


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    store(client, RESOURCES)


TABLE: list[Row] = [
    # [code]: "irrespective of the value of the system property"
    ("token", "Condition?code=ha125", "local both no-system"),
    ("token", "Condition?code=8302-2", "loinc both"),
    ("token", "Patient?identifier=2345", "one two"),
    # [system]|[code]
    ("token", f"Condition?code={LOCAL}|ha125", "local both"),
    ("token", f"Condition?code={LOINC}|ha125", ""),
    ("token", "Patient?identifier=http://acme.org/patient|2345", "one"),
    # |[code]: "the Coding/Identifier has no system property"
    ("token", "Condition?code=|ha125", "no-system"),
    ("token", "Patient?identifier=|2345", "two"),
    # [system]|: "any element where the value of [system] matches"
    ("token", f"Condition?code={LOCAL}|", "local both no-code piped"),
    ("token", "Condition?code=http://acme.org/code|", ""),
    ("token", "Condition?code=http://loinc|", ""),
    ("token", "Patient?identifier=http://acme.org/patient|", "one system-only"),
    ("token", "Patient?identifier=urn:oid:1.2|", "two"),
    # "when in doubt, servers SHOULD treat tokens in a case-insensitive manner"
    ("token", "Condition?code=HA125", "local both no-system"),
    ("token", f"Condition?code={LOCAL}|Ha125", "local both"),
    ("token", "Patient?identifier=x9", "two"),
    # Coding
    ("token", "Encounter?class=AMB", "ambulatory"),
    ("token", "Encounter?class=http://terminology.hl7.org/CodeSystem/v3-ActCode|AMB", "ambulatory"),
    ("token", "Encounter?class=AM", ""),
    # code: "the system is defined in the value set (though it's not usually needed)"
    ("token", "Patient?gender=male", "one dead"),
    ("token", f"Patient?gender={GENDER}|male", "one dead"),
    ("token", f"Patient?gender={LOCAL}|male", ""),
    ("token", f"Patient?gender={GENDER}|", "one two dead"),
    ("token", f"Patient?gender={LOCAL}|", ""),
    ("token", "Patient?gender=mal", ""),
    # boolean
    ("token", "Patient?active=true", "system-only"),
    ("token", "Patient?active=false", "inactive"),
    ("token", "Patient?active=maybe", ""),
    ("token", "Patient?deceased=true", "dead"),
    ("token", "Patient?deceased=false", "one two system-only inactive telephone"),
    # ContactPoint
    ("token", "Patient?phone=(03) 5555 6473", "telephone"),
    ("token", "Patient?telecom=eve@example.org", "telephone"),
    ("token", "Patient?email=EVE@example.org", "telephone"),
    ("token", "Patient?phone=eve@example.org", ""),
    ("token", "Patient?email=(03) 5555 6473", ""),
    # string: "the search is not case sensitive"; uri: it is
    ("token", "ValueSet?version=1.0-beta", "versioned"),
    ("token", "ValueSet?version=1.0", ""),
    ("token", "MessageHeader?event=http://acme.org/Event", "by-uri"),
    ("token", "MessageHeader?event=http://acme.org/event", ""),
    ("token", f"MessageHeader?event={LOCAL}|admin", "by-coding"),
    ("escaping", r"Condition?code=a\|b\,c\$d", "piped"),
    ("escaping", rf"Condition?code={LOCAL}|a\|b\,c\$d", "piped"),
    ("escaping", r"Condition?code=ha125\,8302-2", ""),
    ("combining", "Condition?code=ha125,8302-2", "local loinc both no-system"),
    ("combining", "Condition?code=ha125&code=8302-2", "both"),
    ("combining", f"Condition?code={LOINC}|,|ha125", "loinc both no-system"),
    # :not "includes resources that have no value for the parameter"; it negates the set of a resource's codes
    ("token", "Patient?gender:not=male", "two system-only inactive telephone"),
    ("token", "Condition?code:not=ha125", "loinc no-code text-only piped nothing"),
    ("token", f"Condition?code:not={LOINC}|8302-2", "local no-system no-code text-only piped nothing"),
    ("token", "Condition?code:not=ha125,8302-2", "no-code text-only piped nothing"),
    ("token", f"Condition?code:not={LOCAL}|", "loinc no-system text-only nothing"),
    ("token", "Condition?code:not=ha125&code:not=8302-2", "no-code text-only piped nothing"),
    ("token", "Condition?code:not=ha125&code=8302-2", "loinc"),
    ("modifiers", "Patient?gender:missing=true", "system-only inactive telephone"),
    ("modifiers", "Patient?gender:missing=false", "one two dead"),
    ("modifiers", "Patient?active:missing=true", "one two dead telephone"),
    ("modifiers", "Patient?active:missing=false&gender:missing=true", "system-only inactive"),
    # a simple element that has extensions, but no value, is missing; a complex one without codes is not
    ("modifiers", "Condition?code:missing=true", "nothing"),
]


@pytest.mark.feature("search.token")
@pytest.mark.feature("search.token.not")
@pytest.mark.feature("search.missing")
@pytest.mark.parametrize("row", TABLE, ids=row_id)
def test_token(client: httpx.Client, row: Row) -> None:
    """Each search of the table finds what its rule says."""
    check(client, row)


def test_an_element_with_extensions_alone_is_missing(client: httpx.Client) -> None:
    """https://hl7.org/fhir/R4/search.html#modifiers: "present with extensions but no @value"."""
    unknown = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    store(client, [_patient("extended", _gender={"extension": [unknown]}, birthDate="1950-05-05")])
    check(client, ("modifiers", "Patient?gender:missing=true&birthdate=1950-05-05", "extended"))
    check(client, ("modifiers", "Patient?gender:missing=false&birthdate=1950-05-05", ""))
    client.delete("/Patient/extended")


@pytest.mark.parametrize("text", ["|", "a|b|c", "a,", ","])
def test_what_is_no_token_is_refused(client: httpx.Client, text: str) -> None:
    """https://hl7.org/fhir/R4/search.html#errors: 400 with what a token looks like, without the value."""
    issue = refusal(client, f"Condition?code={text}")
    assert issue["diagnostics"].startswith("code: ")
    assert "system|code" in issue["diagnostics"]


@pytest.mark.parametrize(
    "search",
    ["Patient?active=http://hl7.org/fhir/special-values|true", "Patient?phone=phone|5", "Patient?phone=|5"],
)
def test_a_pipe_is_not_for_values_without_a_system(client: httpx.Client, search: str) -> None:
    """https://hl7.org/fhir/R4/search.html#token: for these "the pipe symbol SHALL NOT be used"."""
    assert "system" in refusal(client, search)["diagnostics"]
