"""Medical record numbers: drawn from one counter, and written as the hospital wants them.

https://hl7.org/fhir/R4/datatypes.html#Identifier, https://terminology.hl7.org/CodeSystem-v2-0203.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fhir_server.settings import Settings
from fhir_server.workflows.made import concept, has_code

Resource = Mapping[str, Any]

COUNTER = "medical-record-number"
IDENTIFIER_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
_RECORD_NUMBER = "MR"


def record_number(number: int, settings: Settings) -> dict[str, Any]:
    """Return the Identifier that the number drawn from the counter becomes."""
    value = settings.record_number_format.format(number=number, check=check_digit(number))
    return {
        "use": "official",
        "type": concept(IDENTIFIER_TYPES, _RECORD_NUMBER, "Medical record number"),
        "system": settings.record_number_system,
        "value": value,
    }


def check_digit(number: int) -> int:
    """Return the digit after which one wrong digit, or two that changed places, are noticed.

    https://www.iso.org/standard/70484.html (ISO/IEC 7812-1, annex B)
    """
    total = 0
    for place, digit in enumerate(reversed(str(number))):
        doubled = int(digit) * 2 if place % 2 == 0 else int(digit)
        total += doubled - 9 if doubled > 9 else doubled
    return -total % 10


def is_typed(identifier: Resource) -> bool:
    """Tell whether an Identifier says of itself that it is a medical record number."""
    return has_code(identifier.get("type"), IDENTIFIER_TYPES, _RECORD_NUMBER)


def is_record_number(identifier: Resource, settings: Settings) -> bool:
    """Tell whether an Identifier is a medical record number, by its type or by the hospital's system."""
    return is_typed(identifier) or identifier.get("system") == settings.record_number_system


def record_numbers(patient: Resource | None, settings: Settings) -> list[dict[str, Any]]:
    """Return the medical record numbers of a patient, None having none."""
    return [one for one in identifiers(patient) if is_record_number(one, settings)]


def identifiers(patient: Resource | None) -> Iterator[dict[str, Any]]:
    """Yield the identifiers of a patient."""
    yield from (one for one in (patient or {}).get("identifier") or () if isinstance(one, dict))


def key_of(identifier: Resource) -> tuple[str, str] | None:
    """Return system and value of an Identifier; None if it has not both."""
    system, value = identifier.get("system"), identifier.get("value")
    return (system, value) if system and value else None
