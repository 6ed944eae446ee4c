"""The directives, of GraphQL and of FHIR, beyond what HL7's test cases show.

https://hl7.org/fhir/R4/graphql.html#flattening
"""

from typing import Any

import pytest

from tests.fhir_server.graphql.conftest import Ask

pytestmark = pytest.mark.usefixtures("records")

_ARRANGED: list[tuple[str, Any]] = [
    ("{ maritalStatus @flatten { text } }", {"text": "married"}),
    ("{ maritalStatus @flatten { coding @flatten { code } } }", {"code": ["M"]}),
    ("{ maritalStatus @flatten { coding @flatten { code @singleton } } }", {"code": "M"}),
    ("{ name @first { use } }", {"name": [{"use": "official"}]}),
    ("{ name @first @singleton { use } }", {"name": {"use": "official"}}),
    ("{ name @first { given @first } }", {"name": [{"given": ["Ida"]}]}),
    (
        '{ telecom @slice(path: "use") { value } }',
        {"telecom.home": [{"value": "1"}], "telecom.work": [{"value": "2"}]},
    ),
    (
        '{ telecom @slice(path: "use") @singleton { value } }',
        {"telecom.home": {"value": "1"}, "telecom.work": {"value": "2"}},
    ),
    ('{ telecom @slice(path: "system") { value } }', {"telecom.phone": [{"value": "1"}, {"value": "2"}]}),
    ('{ telecom @slice(path: "period") { value } }', {"telecom": [{"value": "1"}, {"value": "2"}]}),
    (
        '{ name @flatten @slice(path: "use") { given @slice(path: "$index") @singleton } }',
        {
            "given.official.0": "Ida",
            "given.official.1": "Jo",
            "given.nickname.0": "Idi",
            "given.maiden.0": "Ida",
        },
    ),
    (
        "{ name @flatten { family } contact @flatten { name @flatten { family } } }",
        {"family": ["Arenberg", "Berg", "Other"]},
    ),
    ("{ name @flatten { period { start } } }", {"period": [{"start": "1990"}]}),
    ("{ photo @flatten { url } id }", {"id": "ida"}),
    (
        "{ id @include(if: false) gender @skip(if: true) active @include(if: true) @skip(if: false) }",
        {"active": True},
    ),
    (
        "{ ... @skip(if: true) { id } ...F @include(if: false) active } fragment F on Patient { id }",
        {"active": True},
    ),
]


@pytest.mark.feature("operation.graphql.directives")
@pytest.mark.parametrize(("query", "expected"), _ARRANGED)
def test_directives_arrange_the_answer(ask: Ask, query: str, expected: Any) -> None:
    """They leave out, flatten, take the first, make single and name by a FHIRPath."""
    assert ask("/Patient/ida", query).json() == {"data": expected}


_REFUSED = [
    ("{ name @flatten { family @singleton } }", "several"),
    ("{ name @singleton { use } }", "several"),
    ("{ name @flatten { use } telecom @flatten { use: rank } }", "different types"),
    ("{ family: id name @flatten { family } }", "different types"),
    ('{ name @slice(path: "given") { use } }', "one value"),
    ('{ name @slice(path: "period") { use } }', "one value"),
    ("{ name @slice(path: \"'\\\\uD800'\") { use } }", "one value"),
    ('{ name @slice(path: "((") { use } }', "FHIRPath"),
    ("{ name @slice { use } }", "path"),
    ("{ name @first @first { use } }", "only be used once"),
    ("query @flatten { id }", "may not be used"),
]


@pytest.mark.feature("operation.graphql.directives")
@pytest.mark.parametrize(("query", "message"), _REFUSED)
def test_what_does_not_go_together_is_an_error(ask: Ask, query: str, message: str) -> None:
    """ "The server SHALL return an error if there is more than one value when flattening"."""
    answer = ask("/Patient/ida", query)
    assert answer.status_code in (400, 422)
    assert message.lower() in answer.json()["errors"][0]["message"].lower()
    assert "Arenberg" not in answer.text
