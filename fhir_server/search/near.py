"""special: places within a distance of a point. https://hl7.org/fhir/R4/location.html#search

Indexed as a GeoJSON point, on a sphere. Coordinates that are none on earth are not indexed.
"""

import math
from decimal import Decimal
from typing import Any

from fhir_server.search.asked import Asked, Condition, Reader, both, either
from fhir_server.search.escaping import split, unescape
from fhir_server.search.number import is_number
from resources.fhirpath.element_paths import ElementPath
from terminology.ucum import canonical

# "If the units are omitted, then kms should be assumed. If the distance is omitted, then the server can use
# its own discretion as to what distances should be considered near".
_UNITS = "km"
_DISTANCE = Decimal(10)
# The radius that MongoDB itself takes: https://www.mongodb.com/docs/manual/tutorial/calculate-distances-using-spherical-geometry-with-2d-geospatial-indexes/
_METRES = 6_378_100

_FORM = (
    "a place is latitude|longitude, latitude|longitude|distance or latitude|longitude|distance|units,"
    " such as 42.25|-83.69|11.2|km"
)


def reader(_path: ElementPath) -> Reader:
    """Return how positions are indexed."""
    return Reader(_point)


def _point(position: dict[str, Any]) -> dict[str, Any] | None:
    latitude, longitude = position.get("latitude"), position.get("longitude")
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    return {"type": "Point", "coordinates": [float(longitude), float(latitude)]}


def condition(asked: Asked) -> Condition:
    """Return the condition that a place is within a distance of one point, or of one of several."""
    return both(either(_within(asked, part) for part in split(text, ",")) for text in asked.texts)


def _within(asked: Asked, text: str) -> Condition:
    latitude, longitude, *rest = _parts(asked, text)
    distance, units = _DISTANCE, _UNITS
    if rest and rest[0]:
        distance, units = _number(asked, rest[0]), "".join(rest[1:]) or _UNITS
    metres = canonical(distance, units)
    if metres is None or metres[1] != "m" or distance < 0:
        raise asked.refusal("the units of a distance are a length of UCUM, such as km, m or [mi_us]")
    centre = [float(_number(asked, longitude)), float(_number(asked, latitude))]
    if abs(centre[0]) > 180 or abs(centre[1]) > 90:
        raise asked.refusal("a latitude is from -90 to 90, a longitude from -180 to 180")
    radius = min(float(metres[0]) / _METRES, math.pi)
    return {asked.field.path: {"$geoWithin": {"$centerSphere": [centre, radius]}}}


def _parts(asked: Asked, text: str) -> list[str]:
    parts = [unescape(part) for part in split(text, "|")]
    if not 2 <= len(parts) <= 4:
        raise asked.refusal(_FORM)
    return parts


def _number(asked: Asked, text: str) -> Decimal:
    if not is_number(text):
        raise asked.refusal(_FORM)
    return Decimal(text)
