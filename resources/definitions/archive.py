"""The committed file `r4.zip`: opened at its first use, and read member by member.

It is built from the package hl7.fhir.r4.core 4.0.1 by `resources.definitions.build`.

Source: https://hl7.org/fhir/R4/downloads.html
"""

import io
import json
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

FILE_NAME = "r4.zip"

TYPE_URL = "http://hl7.org/fhir/StructureDefinition/"
"""What comes before a type's name in its canonical URL; profiles and extensions begin alike."""

WHOLE_SECTIONS = {
    "ValueSet": "value-sets.json",
    "ConceptMap": "concept-maps.json",
    "SearchParameter": "search-parameters.json",
    "CompartmentDefinition": "compartments.json",
    "OperationDefinition": "operations.json",
}
"""The definitions that are one member for all of their kind; every other one is a member of its own."""


@cache
def _archive() -> zipfile.ZipFile:
    # The bytes and not the open file: processes forked from this one would share its position.
    return zipfile.ZipFile(io.BytesIO(Path(__file__).with_name(FILE_NAME).read_bytes()))


def member(name: str) -> Any:
    """Return the JSON value of the member `name`; KeyError if there is none."""
    return json.loads(_archive().read(name))


@cache
def index() -> dict[str, dict[str, Any]]:
    """Return what the file holds: `types` by name, `profiles` and `codeSystems` by canonical URL."""
    found: dict[str, dict[str, Any]] = member("index.json")
    return found


@cache
def whole_section(resource_type: str) -> tuple[dict[str, Any], ...]:
    """Return the facts of all definitions of a type named in `WHOLE_SECTIONS`, as FHIR JSON."""
    return tuple(member(WHOLE_SECTIONS[resource_type]))
