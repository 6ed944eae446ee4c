"""What is known of who a patient is: whole, or a temporary identity until somebody knows.

An unknown patient has a name of the use `temp` ("temporary names assigned at birth or in emergency
situations"), or only such names. https://hl7.org/fhir/R4/valueset-name-use.html
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from fhir_server.workflows.made import has_code

Resource = Mapping[str, Any]

_TEMPORARY = ("temp", "anonymous")
REGISTRATION = "urn:fhir-hospital-server:registration"
CONFIRMED_NEW = "confirmed-new"
"""The tag by which staff say that a patient who looks like another one is another person."""
SELF_REGISTERED = "self-registered"
"""The tag of a record that a person made themselves, of whom nobody has seen yet who it is."""


def is_temporary(patient: Resource) -> bool:
    """Tell whether a patient has a temporary identity: there are names, and all are temporary."""
    names = patient.get("name") or []
    return bool(names) and all(name.get("use") in _TEMPORARY for name in names)


def temporary_name(now: datetime, described: str = "Unknown patient") -> dict[str, Any]:
    """Return the name of a patient whom nobody knows yet: a description, and when they came."""
    return {"use": "temp", "text": f"{described} {now:%Y-%m-%d %H:%M}"}


def has_name(patient: Resource) -> bool:
    """Tell whether a patient has a name with anything in it."""
    return any(
        name.get("text") or name.get("family") or name.get("given") for name in patient.get("name") or ()
    )


def is_confirmed_new(patient: Resource) -> bool:
    """Tell whether somebody says that this is no one who is here already."""
    return _is_tagged(patient, CONFIRMED_NEW)


def is_self_registered(patient: Resource) -> bool:
    """Tell whether a person made this record themselves."""
    return _is_tagged(patient, SELF_REGISTERED)


def _is_tagged(patient: Resource, code: str) -> bool:
    tags = (patient.get("meta") or {}).get("tag") or []
    return has_code({"coding": tags}, REGISTRATION, code)


def links(patient: Resource | None, kind: str) -> Iterator[str]:
    """Yield the references of a patient's links of one type, such as `replaced-by`."""
    for link in (patient or {}).get("link") or ():
        if link.get("type") == kind and (reference := (link.get("other") or {}).get("reference")):
            yield reference


def is_merged(patient: Resource | None) -> bool:
    """Tell whether the record of a patient went into another one."""
    return any(True for _ in links(patient, "replaced-by"))
