"""_text and _content: words of the narrative and of everything. https://hl7.org/fhir/R4/search.html#content"""

import httpx
import pytest

from fhir_server.search.full_text import words
from tests.fhir_server.search.searching import Resource, Row, check, refusal, row_id, store


def _condition(name: str, narrative: str, **more: object) -> Resource:
    return {
        "resourceType": "Condition",
        "id": name,
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{narrative}</div>',
        },
        "subject": {"reference": "Patient/abcdef", "display": "Zoë Arenberg"},
        **more,
    }


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    bone = {
        "coding": [{"system": "http://snomed.info/sct", "code": "94222008", "display": "Bone metastases"}]
    }
    store(
        client,
        [
            _condition("bone", "<p>Bone</p><p>metastases</p>"),
            _condition("liver", "Metastases of the <b>liver</b>"),
            _condition("lung", "Metastases &amp; tumour of the lung", code=bone),
            _condition("none", "All is w&#233;ll", note=[{"text": "Carcinoma ruled out"}]),
        ],
    )


ROWS: list[Row] = [
    # "with the word 'metastases' and either bone or liver in the narrative"
    ("content", "Condition?_text=(bone OR liver) and metastases", "bone liver"),
    ("content", "Condition?_text=metastases", "bone liver lung"),
    ("content", "Condition?_text=METASTASES liver", "liver"),
    ("content", "Condition?_text=bone or lung", "bone lung"),
    ("content", "Condition?_text=metastases and not liver", "bone lung"),
    ("content", "Condition?_text=not metastases", "none"),
    ("content", "Condition?_text=metas*", "bone liver lung"),
    ("content", "Condition?_text=metas", ""),
    ("content", "Condition?_text=well", "none"),
    ("content", 'Condition?_text="liver metastases"', "liver"),
    ("content", 'Condition?_text="and"', ""),
    ("content", "Condition?_text=metastases&_text=lung", "lung"),
    ("content", "Condition?_text=carcinoma", ""),
    ("content", "Condition?_content=carcinoma", "none"),
    ("content", "Condition?_content=zoe arenberg", "bone liver lung none"),
    ("content", "Condition?_content=bone", "bone lung"),
    ("content", "Condition?_content=bone liver", ""),
    ("content", "Condition?_content=abcdef", ""),
    ("content", "Condition?_content=94222008", ""),
    ("content", "Condition?code=94222008&_content=lung", "lung"),
]


@pytest.mark.feature("search.text")
@pytest.mark.feature("search.content")
@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_words_are_found(client: httpx.Client, row: Row) -> None:
    """In the narrative, or anywhere that is written for people: not in codes and references."""
    check(client, row)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("(bone", "a bracket is not closed"),
        ("bone)", "closed that was not opened"),
        ("bone and", "a word is expected"),
        ("or bone", "a word is expected"),
        ("-", "letters or digits"),
        ("not", "a word is expected"),
        ("(" * 25 + "a" + ")" * 25, "at most"),
        ("a " * 60, "50 words"),
    ],
)
def test_what_is_no_question_is_refused(client: httpx.Client, text: str, said: str) -> None:
    """The parameter is named, and what would be right."""
    diagnostics = refusal(client, f"Condition?_text={text}")["diagnostics"]
    assert said in diagnostics
    assert diagnostics.startswith("_text: ")


def test_a_long_text_has_a_bounded_number_of_words() -> None:
    """What one resource adds to the index does not grow without an end; its first words are found."""
    book = " ".join(f"word{number}" for number in range(5_000))
    found = words({"resourceType": "Basic", "code": {"text": book}})["_content"]
    assert found == book.split()[:2_000]
