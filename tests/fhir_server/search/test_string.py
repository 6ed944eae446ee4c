"""string: from the start, whatever the case and the accents. https://hl7.org/fhir/R4/search.html#string"""

import httpx
import pytest

from tests.fhir_server.search.searching import Resource, Row, check, page, refusal, row_id, store


def _patient(name: str, *names: Resource, **more: object) -> Resource:
    patient = {"resourceType": "Patient", "id": name, **more}
    return patient | {"name": list(names)} if names else patient


PATIENTS = [
    _patient("eve", {"given": ["Eve"], "family": "Everywoman"}),
    _patient("evelyn", {"given": ["Adam", "Evelyn"], "family": "Muster"}),
    _patient("severine", {"given": ["Severine"], "family": "O'Brien"}),
    _patient("lower", {"given": ["eve"], "family": "Müller-Lüdenscheidt"}),
    _patient("upper", {"given": ["EVE"], "family": "Carreno Quinones"}),
    _patient("accent", {"given": ["Ève"], "family": "Strauß"}),
    _patient("decomposed", {"given": ["E\u0300ve"], "family": "Łukasz"}),
    _patient("spaces", {"text": "Anna   Maria\tvon  Droste"}),
    _patient("two", {"given": ["Adam"]}, {"given": ["Zoe"]}),
    _patient("prefixed", {"prefix": ["Dr."], "suffix": ["PhD"], "use": "nickname"}),
    _patient("comma", {"family": "Smith, Jones"}),
    _patient("signs", {"family": "50% $_* \\ (a|b)"}),
    _patient(
        "address",
        address=[
            {
                "use": "old",
                "text": "Hauptstr. 5, 10115 Berlin",
                "line": ["Hauptstr. 5", "Hinterhof"],
                "city": "Berlin",
                "district": "Mitte",
                "state": "BE",
                "postalCode": "10115",
                "country": "DE",
            }
        ],
    ),
]


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    store(client, PATIENTS)


_EVES = "eve lower upper accent decomposed"

TABLE: list[Row] = [
    ("string", "Patient?given=eve", f"{_EVES} evelyn"),
    ("string", "Patient?given=EVE", f"{_EVES} evelyn"),
    ("string", "Patient?given=ève", f"{_EVES} evelyn"),
    ("string", "Patient?given:contains=eve", f"{_EVES} evelyn severine"),
    ("string", "Patient?given:contains=VÈ", f"{_EVES} evelyn severine"),
    ("string", "Patient?given:exact=Eve", "eve"),
    ("string", "Patient?given:exact=EVE", "upper"),
    ("string", "Patient?given:exact=Ev", ""),
    ("string", "Patient?given:exact=Ève", "accent"),
    # the bounds of a range are about one value: neither Adam nor Zoe starts with m
    ("string", "Patient?given=m", ""),
    ("string", "Patient?given=ad", "evelyn two"),
    # the strings of a name, and nothing else of it
    ("string", "Patient?name=everyw", "eve"),
    ("string", "Patient?name=eve", f"{_EVES} evelyn"),
    ("string", "Patient?name=dr", "prefixed"),
    ("string", "Patient?name=phd", "prefixed"),
    ("string", "Patient?name=nickname", ""),
    ("string", "Patient?name:exact=Dr.", "prefixed"),
    ("string", "Patient?name:contains=usterx,UST", "evelyn"),
    # "should search the parts of a family name independently"
    ("string", "Patient?family=carreno", "upper"),
    ("string", "Patient?family=quinones", "upper"),
    ("string", "Patient?family=Carreno Qui", "upper"),
    ("string", "Patient?name=quinones", "upper"),
    ("string", "Patient?family=ludenscheidt", "lower"),
    ("string", "Patient?family=Mueller", ""),
    ("string", "Patient?family:exact=Quinones", ""),
    ("string", "Patient?family=strauss", "accent"),
    ("string", "Patient?family=STRAUSS", "accent"),
    # punctuation and repeated space are ignored
    ("string", "Patient?family=o'brien", "severine"),
    ("string", "Patient?family=OBrien", "severine"),
    ("string", "Patient?family=o’brien", "severine"),
    ("string", "Patient?family=muller ludenscheidt", "lower"),
    ("string", "Patient?family=muller-ludenscheidt", "lower"),
    ("string", "Patient?name=anna maria von droste", "spaces"),
    ("string", "Patient?name=Anna  Maria", "spaces"),
    ("string", "Patient?name:exact=Anna Maria von Droste", ""),
    ("string", "Patient?name:exact=Anna   Maria\tvon  Droste", "spaces"),
    # the strings of an address, and nothing else of it
    ("string", "Patient?address=hauptstr 5", "address"),
    ("string", "Patient?address=hinter", "address"),
    ("string", "Patient?address=mitte", "address"),
    ("string", "Patient?address=10115", "address"),
    ("string", "Patient?address=old", ""),
    ("string", "Patient?address-city=berl", "address"),
    ("string", "Patient?address-postalcode=101", "address"),
    ("string", "Patient?address-city:exact=berlin", ""),
    # nothing is a pattern
    ("string", "Patient?family:contains=50%", "signs"),
    ("string", "Patient?given:contains=e.e", ""),
    ("string", r"Patient?family:exact=50% \$_* \\ (a\|b)", "signs"),
    ("escaping", r"Patient?family=smith\, jones", "comma"),
    ("escaping", "Patient?family=smith, jones", "comma"),
    ("escaping", r"Patient?family:exact=Smith\, Jones", "comma"),
    ("escaping", "Patient?family:exact=Smith, Jones", ""),
    ("combining", "Patient?given=zoe,severine", "two severine"),
    ("combining", "Patient?given=zoe&given=adam", "two"),
    ("combining", "Patient?given:exact=Eve&family:exact=Everywoman", "eve"),
    ("combining", "Patient?given:exact=Eve&family:exact=Muster", ""),
    ("combining", "Patient?family:exact=Muster&given:exact=Eve", ""),
    ("combining", "Patient?given:exact=Eve,EVE", "eve upper"),
    ("modifiers", "Patient?family:missing=true", "spaces two prefixed address"),
    ("modifiers", "Patient?address:missing=false", "address"),
]


@pytest.mark.feature("search.string")
@pytest.mark.feature("search.string.exact")
@pytest.mark.feature("search.string.contains")
@pytest.mark.parametrize("row", TABLE, ids=row_id)
def test_string(client: httpx.Client, row: Row) -> None:
    """Each search of the table finds what its rule says."""
    check(client, row)


@pytest.mark.parametrize("search", ["Patient?name=%20", "Patient?name=a,,b", "Patient?name:contains=,"])
def test_a_string_without_anything_to_look_for_is_refused(client: httpx.Client, search: str) -> None:
    """https://hl7.org/fhir/R4/search.html#errors: 400 that names the parameter."""
    assert refusal(client, search.replace("%20", " "))["diagnostics"].startswith("name: ")


@pytest.mark.parametrize("modifier", ["", ":contains", ":exact"])
@pytest.mark.parametrize("text", ["\x00", "a\x00b", "x" * 40_000, "\ufdfa" * 3_000, "\U0010ffff", "\ud7ff"])
def test_any_text_can_be_looked_for(client: httpx.Client, modifier: str, text: str) -> None:
    """Null characters, very long texts and the like are found or refused, nothing worse."""
    form = {f"name{modifier}": text}
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = client.post("/Patient/_search", data=form, headers=headers)
    assert answer.status_code in (200, 400), answer.text


def test_a_family_name_is_found_once_by_a_part_that_is_there_twice(client: httpx.Client) -> None:
    """A resource that matches in several ways is one match."""
    store(client, [_patient("twice", {"family": "Garcia Garcia"}, {"family": "Garcia"})])
    bundle = page(client, "Patient?family=garcia&_total=accurate")
    assert [entry["resource"]["id"] for entry in bundle["entry"]] == ["twice"]
    assert bundle["total"] == 1
