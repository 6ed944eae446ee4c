"""Whatever is asked, the answer is a Bundle or a refusal that says how to ask: never a 5xx, never silence.

https://hl7.org/fhir/R4/search.html#errors, https://hl7.org/fhir/R4/http.html#summary
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fhir_server.search.agreement import definitions

_ENTRIES_AT_ONCE = 400

# Parameter type -> values that are none of it, and what the refusal says that a value is.
MALFORMED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "date": (
        (
            *("x", "2020-13", "2020-02-30", "20200101", "2020-1-1", "ge", "zz2020", "2020-01-01T25:00Z"),
            *("2020-01-01T10:00:00+25:00", "02020", "2020,", "2020-01-01,x", "0000", "2020-W01"),
        ),
        "YYYY",
    ),
    "number": (
        ("x", "1,x", "--1", "1e", "NaN", "ge", "0x10", "1_000", "٣", "1e9999", "Infinity"),
        "a number is",
    ),
    "quantity": (("5|a", "5|a|b|c", "5.4|http://unitsofmeasure.org|"), "a quantity is"),
    "token": (("|", "a|b|c", "a,", ",", "|,a"), "a token is"),
    "reference": (("a,", ",a"), "a reference is"),
    "uri": (("http://a.example/,", ","), "a uri is"),
    "string": ((" ", "a,", ",a", "\u00a0"), "a string is"),
    "composite": (("a", "a$b$c$d", "$", "a$", "$b"), "a combination is"),
}
_OF_ALL = (("a\\b", "backslash"), ("a\\", "backslash"))


def _questions(resource_type: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, value, what the refusal begins with, and what it says."""
    for code, parameter in definitions.parameters(resource_type).items():
        values, told = MALFORMED[parameter.type]
        for value in values:
            yield code, value, f"{code}: ", told
        for value, told in _OF_ALL:
            yield code, value, f"{code}: ", told
        yield f"{code}:frobnicate", "x", f"{code} takes ", "modifier"
        if parameter.type != "composite":
            yield f"{code}:missing", "maybe", f"{code}: ", "true or false"
    yield "_sort", "frobnicate", "_sort ", "search parameters"
    yield "frobnicate", "x", resource_type, "frobnicate"


def _in_batches(questions: list[tuple[str, str]], client: httpx.Client) -> Iterator[dict[str, Any]]:
    for start in range(0, len(questions), _ENTRIES_AT_ONCE):
        entries = [
            {"request": {"method": "GET", "url": f"{address}={quote(value)}"}}
            for address, value in questions[start : start + _ENTRIES_AT_ONCE]
        ]
        answer = client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries})
        assert answer.status_code == 200, answer.text
        yield from (entry["response"] for entry in answer.json()["entry"])


@pytest.mark.feature("search.errors.malformed-value")
@pytest.mark.parametrize("first", "ABCDEFGHILMNOPQRSTV")
def test_a_malformed_value_is_refused_with_the_accepted_form(client: httpx.Client, first: str) -> None:
    """Every parameter of every type: 400, with the name of the parameter and what a value is."""
    asked = [
        (f"{resource_type}?{name}", value, begins, told)
        for resource_type in definitions.resource_types()
        if resource_type[0] == first
        for name, value, begins, told in _questions(resource_type)
    ]
    responses = _in_batches([(address, value) for address, value, _, _ in asked], client)
    wrong = []
    for question, response in zip(asked, responses, strict=True):
        diagnostics = response.get("outcome", {}).get("issue", [{}])[0].get("diagnostics", "")
        is_right = diagnostics.startswith(question[2]) and question[3] in diagnostics
        if response["status"][:3] != "400" or not is_right:
            wrong.append((*question, response["status"], diagnostics))
    assert wrong == []


_FRAGMENTS = st.sampled_from(
    [
        *(
            ",",
            "$",
            "|",
            "\\",
            ":",
            ".",
            "%",
            "(",
            ")",
            "[",
            "]",
            '"',
            " ",
            "_",
            "-",
            "*",
            "#",
            "/",
            "&",
            "=",
        ),
        *(
            "ge",
            "ap",
            "sa",
            "2020-01-01",
            "T10:00",
            "Z",
            "5.40",
            "1e9",
            "e-300",
            "Patient/1",
            "Patient",
            "\x00",
        ),
        *(
            "name",
            "_has:",
            "Observation",
            "subject",
            "eq",
            "and",
            "not",
            "pr",
            "true",
            "$this",
            "^(a+)+$",
            "null",
        ),
        *(
            "\ud7ff",
            "\u202e",
            "𝒳",
            "9999-12-31",
            "0001",
            "http://unitsofmeasure.org",
            "mg",
            "-1",
            "99999999999",
        ),
    ]
)
_TEXTS = st.one_of(
    st.lists(_FRAGMENTS, min_size=1, max_size=8).map("".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
_RESULTS = (
    *("_sort", "_count", "_total", "_summary", "_elements", "_include", "_revinclude", "_include:iterate"),
    *("_filter", "_list", "_text", "_content", "_type", "_has", "_page", "_contained", "_query", "_format"),
)


@st.composite
def _searches(draw: st.DrawFn) -> tuple[str, list[tuple[str, str]]]:
    resource_type = draw(st.sampled_from(definitions.resource_types()))
    codes = [*definitions.parameters(resource_type), *_RESULTS]
    names = st.one_of(
        st.sampled_from(codes),
        st.builds("{}:{}".format, st.sampled_from(codes), _TEXTS),
        st.builds("{}.{}".format, st.sampled_from(codes), st.sampled_from(codes)),
        st.builds("_has:{}:{}:{}".format, st.just(resource_type), st.sampled_from(codes), _TEXTS),
        _TEXTS,
    )
    return resource_type, draw(st.lists(st.tuples(names, _TEXTS), min_size=1, max_size=4))


@pytest.mark.feature("search.errors.any-query")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(search=_searches())
def test_any_query_is_answered(client: httpx.Client, search: tuple[str, list[tuple[str, str]]]) -> None:
    """A Bundle or an OperationOutcome, in time, and never an error of the server's own."""
    resource_type, pairs = search
    answer = client.get(f"/{resource_type}", params=tuple(pairs))
    assert answer.status_code < 500, answer.text
    if answer.status_code == 200:
        return
    assert answer.status_code in (400, 403, 404, 405, 406, 408, 413, 414, 429), answer.status_code
    if answer.headers["content-type"].startswith("application/fhir+json"):
        assert answer.json()["resourceType"] == "OperationOutcome"
