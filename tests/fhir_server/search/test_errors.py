"""What is not understood is refused with what would be. https://hl7.org/fhir/R4/search.html#errors"""

from typing import Any

import httpx
import pytest

from fhir_server.search.known import WITHOUT_ELEMENT
from tests.fhir_server.search.searching import FORM, links, matches, page, refusal, store

LENIENT = {"prefer": "handling=lenient"}
SECRET = "xsecretx"


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    store(
        client,
        [
            {"resourceType": "Patient", "id": "a", "gender": "male", "name": [{"family": "Ant"}]},
            {"resourceType": "Patient", "id": "b", "gender": "female", "name": [{"family": "Bee"}]},
        ],
    )


UNKNOWN = [
    "frobnicate=1",
    "Gender=male",
    "age=5",
    "a b<c>=1",
]


@pytest.mark.parametrize("pair", UNKNOWN)
@pytest.mark.feature("search.errors.unknown-parameter")
def test_an_unknown_parameter_is_refused_with_the_names_of_the_known(client: httpx.Client, pair: str) -> None:
    """https://hl7.org/fhir/R4/search.html#errors: an error, as nobody asked for lenience."""
    issue = refusal(client, f"Patient?{pair}")
    assert issue["code"] == "not-supported"
    assert "birthdate" in issue["diagnostics"]
    assert "<c>" not in issue["diagnostics"]


@pytest.mark.feature("http.prefer.handling")
def test_an_unknown_parameter_is_told_of_all_that_ask_for_no_element(client: httpx.Client) -> None:
    """Those that are named are understood, whatever they say of their values."""
    named = refusal(client, "Patient?frobnicate=1")["diagnostics"].partition("; it has ")[2].split(", ")
    assert set(WITHOUT_ELEMENT) <= set(named)
    for name in WITHOUT_ELEMENT:
        assert "no search parameter" not in client.get(f"/Patient?{name}=x").text


def test_handling_strict_is_how_it_is_anyway(client: httpx.Client) -> None:
    """`Prefer: handling=strict` is answered as no preference is."""
    answer = client.get("/Patient?frobnicate=1", headers={"prefer": "handling=strict"})
    assert answer.status_code == 400


@pytest.mark.parametrize("pair", UNKNOWN)
@pytest.mark.feature("search.errors.unknown-parameter", "http.prefer.handling")
def test_a_lenient_search_says_what_it_ignored(client: httpx.Client, pair: str) -> None:
    """The rest is searched, the self link has only what was used, and an outcome names what was not."""
    bundle = page(client, f"Patient?{pair}&gender=male", headers=LENIENT)
    assert [resource["id"] for resource in matches(bundle)] == ["a"]
    assert links(bundle)["self"].endswith("/Patient?gender=male")
    outcomes = [entry for entry in bundle["entry"] if entry["search"]["mode"] == "outcome"]
    assert [issue["severity"] for issue in outcomes[0]["resource"]["issue"]] == ["warning"]
    assert bundle["total"] == 1


def test_an_unknown_named_query_is_refused_even_by_lenience(client: httpx.Client) -> None:
    """https://hl7.org/fhir/R4/search.html#query: servers "SHALL refuse to process a search request"."""
    answer = client.get("/Patient?_query=current-high-risk", headers=LENIENT)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "pair",
    [
        "name:age=5",
        "name:above=x",
        "gender:exact=male",
        "active:in=http://acme.org/ValueSet/1",
        "gender:text=male",
        "gender:of-type=a|b|c",
        "birthdate:contains=2000",
        "birthdate:not=2000",
        "name:exact:contains=x",
        "general-practitioner:text=1",
        "_profile:identifier=1",
        "identifier:below=a|b",
        "_id:exact=1",
        "_lastUpdated:not=2000",
    ],
)
@pytest.mark.parametrize("headers", [{}, LENIENT], ids=["strict", "lenient"])
@pytest.mark.feature("search.errors.modifier")
def test_a_modifier_that_is_not_taken_is_refused(
    client: httpx.Client, pair: str, headers: dict[str, str]
) -> None:
    """https://hl7.org/fhir/R4/search.html#modifiers: "SHALL reject any search request", lenient or not."""
    answer = client.get(f"/Patient?{pair}", headers=headers)
    assert answer.status_code == 400
    diagnostics = answer.json()["issue"][0]["diagnostics"]
    assert diagnostics.startswith(pair.partition(":")[0] if pair[0] != "_" else "_")
    assert ":missing" in diagnostics


@pytest.mark.parametrize("text", ["yes", "TRUE", "true,false", "1"])
def test_missing_is_true_or_false(client: httpx.Client, text: str) -> None:
    """https://hl7.org/fhir/R4/search.html#modifiers."""
    assert "true or false" in refusal(client, f"Patient?gender:missing={text}")["diagnostics"]


@pytest.mark.parametrize(
    "search", ["name=&gender=male", "gender=male&birthdate=&name:exact=", "name&gender=male"]
)
@pytest.mark.feature("search.errors.empty")
def test_empty_parameters_are_ignored(client: httpx.Client, search: str) -> None:
    """ "Note: Empty parameters are not an error - they are just ignored by the server." """
    answer = client.get(f"/Patient?{search}")
    assert answer.status_code == 200, answer.text
    assert [resource["id"] for resource in matches(answer.json())] == ["a"]
    assert links(answer.json())["self"].endswith("/Patient?gender=male")


@pytest.mark.parametrize("criteria", ["identifier=", "_count=1", "_sort=name&name=", "_total=none"])
def test_a_condition_has_to_say_something(client: httpx.Client, criteria: str) -> None:
    """https://hl7.org/fhir/R4/http.html#ccreate: criteria that all resources meet are no criteria."""
    patient = {"resourceType": "Patient"}
    answer = client.post("/Patient", json=patient, headers={"if-none-exist": criteria})
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize(
    ("pair", "code"),
    [
        ("_count=-1", "value"),
        ("_count=x", "value"),
        ("_count=1.5", "value"),
        ("_count=９", "value"),
        ("_count=99999999999999999999", "value"),
        ("_count=1&_count=2", "invalid"),
        ("_total=many", "value"),
        ("_total=none&_total=accurate", "invalid"),
        ("_summary=x", "value"),
        ("_summary=true&_summary=data", "invalid"),
        ("_summary=text&_include=Patient:organization", "invalid"),
        ("_summary=true&_elements=name", "invalid"),
        ("_elements=frobnicate", "value"),
        ("_include:recurse=Patient:organization", "not-supported"),
        ("_include=Patient", "value"),
        ("_include=Patient:", "value"),
        ("_include=Patient:name", "value"),
        ("_include=Nonsense:patient", "value"),
        ("_include=Patient:organization:Patient", "value"),
        ("_include=Patient:organization:Organization:x", "value"),
        ("_revinclude=Observation:frobnicate", "value"),
        ("_sort=frobnicate", "not-supported"),
        ("_sort=_score", "not-supported"),
        ("_sort=name:asc", "not-supported"),
        ("_sort=name,,birthdate", "value"),
        ("_sort=-", "not-supported"),
        ("_sort=" + ",".join(["name"] * 9), "too-costly"),
        (r"name=a\b", "value"),
        ("name=a\\", "value"),
        ("identifier=" + ",".join(map(str, range(1001))), "too-costly"),
        ("&".join(f"identifier={n},{n}" for n in range(999)), "too-costly"),
        ("_id=a%00b", "value"),
        ("name:contains=%00", "value"),
        ("name:contains=" + "x" * 1001, "value"),
    ],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.feature("search.errors.malformed-value")
def test_what_is_malformed_is_refused(client: httpx.Client, pair: str, code: str) -> None:
    """400 with an issue of the right kind."""
    answer = client.get(f"/Patient?{pair}")
    assert answer.status_code == 400, answer.text
    assert answer.json()["issue"][0]["code"] == code


def test_all_that_is_wrong_is_said_at_once(client: httpx.Client) -> None:
    """One issue for each parameter that is not understood."""
    answer = client.get("/Patient?birthdate=x&frobnicate=1&gender:exact=male&active=true")
    issues = answer.json()["issue"]
    assert len(issues) == 3
    assert {"birthdate", "gender"} <= {issue["diagnostics"].partition(":")[0].split()[0] for issue in issues}


@pytest.mark.parametrize(
    "pair",
    [
        f"birthdate={SECRET}",
        f"name=,{SECRET}",
        f"gender:{SECRET}=male",
        f"gender:missing={SECRET}",
        f"identifier={SECRET}|{SECRET}|{SECRET}",
        f"_count={SECRET}",
        f"_total={SECRET}",
        f"_summary={SECRET}",
        f"_sort={SECRET}",
        f"_page={SECRET}",
        rf"name=\{SECRET}",
        f"_id={SECRET}%00",
        f"general-practitioner:Practitioner=Organization/{SECRET}",
        f"{SECRET} {SECRET}=1",
    ],
)
@pytest.mark.feature("search.errors.privacy")
def test_an_error_never_repeats_what_was_asked_for(client: httpx.Client, pair: str) -> None:
    """What is looked for may be the name of a patient; error texts end up in logs and tickets."""
    answer = client.get(f"/Patient?{pair}")
    assert answer.status_code == 400
    assert SECRET not in answer.text


@pytest.mark.feature("http.search.post")
def test_a_posted_search_is_the_same_search(client: httpx.Client) -> None:
    """https://hl7.org/fhir/R4/search.html#Introduction: names and values in the body, the URL, or both."""
    for url, form in (
        ("/Patient/_search", {"name": "ant", "gender": "male"}),
        ("/Patient/_search?name=ant", {"gender": "male"}),
        ("/Patient/_search?name=ant&gender=male", {}),
    ):
        bundle = client.post(url, data=form, headers=FORM).json()
        assert [resource["id"] for resource in matches(bundle)] == ["a"], url
        assert links(bundle)["self"].endswith("/Patient?name=ant&gender=male")


@pytest.mark.parametrize("content_type", ["application/fhir+json", "text/plain", "multipart/form-data", ""])
@pytest.mark.feature("http.search.post")
def test_a_search_is_posted_as_a_form(client: httpx.Client, content_type: str) -> None:
    """https://hl7.org/fhir/R4/http.html#search: anything else is 415."""
    headers: dict[str, Any] = {"content-type": content_type}
    answer = client.post("/Patient/_search", content=b"name=ant", headers=headers)
    assert answer.status_code == 415
