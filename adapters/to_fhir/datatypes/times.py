"""Dates and times: as precise as they were sent, with the offset that they or their message say.

https://hl7.org/fhir/R4/datatypes.html#dateTime, HL7 v2.5.1 §2.A.22 (DTM)
"""

from typing import Any

from adapters.to_fhir.rules import Convert, DatatypeMap, Part
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.value import Value
from hl7.datatypes import Timestamp, fhir_time, timestamp

_DIGITS_OF_A_DAY = 8


def moment(value: Value, scope: Scope) -> Timestamp | None:
    """Return the Timestamp of a DT, DTM or TS, None if there is none; raise HL7Error (102) if it is none."""
    raw = value[1] if len(value.parts) > 1 else value.text
    return timestamp(raw, scope.place.location()) if raw else None


def date_time(value: Value, scope: Scope) -> str | None:
    """Return the dateTime of a DT, DTM or TS."""
    found = moment(value, scope)
    if found is None:
        return None
    return found.fhir_date_time(scope.zone, scope.warnings, scope.place.location())


def date(value: Value, scope: Scope) -> str | None:
    """Return the date of a DT, DTM or TS: the day as it was where the message comes from."""
    found = moment(value, scope)
    return None if found is None else found.fhir_date()


def instant(value: Value, scope: Scope) -> str | None:
    """Return the instant of a DTM; None if it is not as precise as a minute, as no time is invented."""
    found = moment(value, scope)
    if found is None or not found.has_time:
        return None
    return found.fhir_date_time(scope.zone, scope.warnings, scope.place.location())


def time(value: Value, scope: Scope) -> str | None:
    """Return the time of a TM."""
    raw = value.text
    return fhir_time(raw, scope.place.location()) if raw else None


def has_time(value: Value) -> bool:
    """Tell whether a DTM is longer than a day, as the guide asks of PID-7."""
    return len(value[1]) > _DIGITS_OF_A_DAY


period: DatatypeMap = DatatypeMap(
    "DR[Period]", (Part("DR.1", "start", date_time), Part("DR.2", "end", date_time))
)


def extension(url: str, element: str, convert: Convert) -> Convert:
    """Return the converter to an Extension of `url`, whose `element` such as `valueString` is converted."""

    def converted(value: Value, scope: Scope) -> dict[str, Any] | None:
        made = convert(value, scope)
        return None if made is None else {"url": url, element: made}

    return converted
