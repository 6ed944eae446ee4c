"""Questionnaires: those that come with the server, and those that are stored, found by what a response names.

https://hl7.org/fhir/R4/questionnaire.html
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

Resource = Mapping[str, Any]

INTAKE = "urn:fhir-hospital-server:questionnaire:intake"
FEEDBACK = "urn:fhir-hospital-server:questionnaire:feedback"
SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"

_FOLDER = Path(__file__).parent / "forms"


@cache
def shipped_forms() -> tuple[dict[str, Any], ...]:
    """Return the Questionnaires that come with the server."""
    return tuple(json.loads(path.read_text("utf-8")) for path in sorted(_FOLDER.glob("*.json")))


def shipped(canonical: str) -> dict[str, Any] | None:
    """Return the Questionnaire that comes with the server under a canonical URL; None if there is none."""
    url, _, version = canonical.partition("|")
    for form in shipped_forms():
        if form["url"] == url and version in ("", form["version"]):
            return form
    return None


def extension(element: Any, url: str) -> Any:
    """Return the value of an extension of an element; None if there is none."""
    for one in (element or {}).get("extension") or ():
        if one.get("url") == url:
            return next((value for name, value in one.items() if name.startswith("value")), None)
    return None


def extensions(element: Any, url: str) -> Iterator[Mapping[str, Any]]:
    """Yield the extensions of an element that have a URL."""
    yield from (one for one in (element or {}).get("extension") or () if one.get("url") == url)


def items(holder: Any) -> list[dict[str, Any]]:
    """Return the items of a Questionnaire, a response, an item or an answer."""
    found = (holder or {}).get("item")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def answer_value(answer: Mapping[str, Any]) -> Any:
    """Return what stands in an answer, in `value[x]`; None if there is nothing."""
    return next((value for name, value in answer.items() if name.startswith("value")), None)
