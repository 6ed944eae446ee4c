"""special: Location?near. https://hl7.org/fhir/R4/location.html#search"""

import httpx
import pytest

from tests.fhir_server.search.searching import Resource, Row, check, refusal, row_id, store


def _location(name: str, latitude: float | None, longitude: float | None = None) -> Resource:
    position = {"latitude": latitude, "longitude": longitude}
    there = {"position": position} if latitude is not None else {}
    return {"resourceType": "Location", "id": name, "name": name, **there}


RESOURCES = [
    _location("hospital", 42.2565, -83.6948),
    _location("a-km-north", 42.2655, -83.6948),
    _location("ten-km-north", 42.3465, -83.6948),
    _location("east-of-the-line", -17, -179.9),
    _location("west-of-the-line", -17, 179.9),
    _location("pole", 90, 0),
    _location("nowhere", None),
    _location("not-on-earth", 142, 500),
]

TABLE: list[Row] = [
    ("special", "Location?near=42.256500|-83.694810|11.20|km", "hospital a-km-north ten-km-north"),
    ("special", "Location?near=42.2565|-83.6948|2|km", "hospital a-km-north"),
    ("special", "Location?near=42.2565|-83.6948|0.5|km", "hospital"),
    # "If the units are omitted, then kms should be assumed"
    ("special", "Location?near=42.2565|-83.6948|2", "hospital a-km-north"),
    ("special", "Location?near=42.2565|-83.6948|2|", "hospital a-km-north"),
    ("special", "Location?near=42.2565|-83.6948|500|m", "hospital"),
    ("special", "Location?near=42.2565|-83.6948|1100|m", "hospital a-km-north"),
    ("special", "Location?near=42.2565|-83.6948|1|[mi_us]", "hospital a-km-north"),
    ("special", "Location?near=42.2565|-83.6948|7|[mi_i]", "hospital a-km-north ten-km-north"),
    # "If the distance is omitted, then the server can use its own discretion": ten kilometres
    ("special", "Location?near=42.2565|-83.6948", "hospital a-km-north"),
    ("special", "Location?near=42.2565|-83.6948||m", "hospital a-km-north"),
    ("special", "Location?near=42.2565|-83.6948|0", "hospital"),
    ("special", "Location?near=-17|180|50", "east-of-the-line west-of-the-line"),
    ("special", "Location?near=90|120|1", "pole"),
    ("special", "Location?near=0|0|1|km", ""),
    (
        "special",
        "Location?near=0|0|1e9|km",
        "hospital a-km-north ten-km-north east-of-the-line west-of-the-line pole",
    ),
    ("special", "Location?near=90|0|1,42.2565|-83.6948|0.5", "hospital pole"),
    ("special", "Location?near=42.2565|-83.6948|2&near=42.2655|-83.6948|0.5", "a-km-north"),
    ("special", "Location?near=42.2565|-83.6948|2&name=hospital", "hospital"),
    ("modifiers", "Location?near:missing=true", "nowhere"),
]


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    store(client, RESOURCES)


@pytest.mark.feature("search.special.near")
@pytest.mark.parametrize("row", TABLE, ids=row_id)
def test_near(client: httpx.Client, row: Row) -> None:
    """Each search of the table finds the places within its distance."""
    check(client, row)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("42.2565", "latitude|longitude"),
        ("42.2565|-83.6948|1|km|x", "latitude|longitude"),
        ("a|-83.6948", "latitude|longitude"),
        ("42.2565|", "latitude|longitude"),
        ("42.2565|-83.6948|near", "latitude|longitude"),
        ("ge42.2565|-83.6948|1", "latitude|longitude"),
        ("42.2565|-83.6948|-1", "length"),
        ("42.2565|-83.6948|1|miles", "length"),
        ("42.2565|-83.6948|1|g", "length"),
        ("91|0|1", "-90 to 90"),
        ("0|181|1", "-180 to 180"),
        ("0|1e400|1", "-180 to 180"),
        (",", "latitude|longitude"),
    ],
)
def test_malformed_places_name_the_form(client: httpx.Client, text: str, form: str) -> None:
    """https://hl7.org/fhir/R4/search.html#errors: 400 with what a place looks like."""
    assert form in refusal(client, f"Location?near={text}")["diagnostics"]


def test_places_have_no_order(client: httpx.Client) -> None:
    """A place is neither before nor after another one: an order by it is refused."""
    assert "_sort" in refusal(client, "Location?_sort=near")["diagnostics"]
