"""The index values of our own AuditEvents, most of which are the same for all that one caller does one way.

What is the same is worked out once, by the extraction that all resources go through; the rest is put in. A
test compares both ways. The words of an event are left out: nobody looks for events by their full text.
https://hl7.org/fhir/R4/auditevent.html#search
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from fhir_server.audit.actor import Actor
from fhir_server.audit.events import Access, event
from fhir_server.audit.patterns import Pattern
from fhir_server.search.extraction import search_values
from fhir_server.search.full_text import CONTENT_PATH
from fhir_server.search.modified import PATH as MODIFIERS_PATH
from fhir_server.store.documents import next_instant
from resources.custom_parameters import custom_parameters

Values = dict[str, Any]

_MODIFIERS = MODIFIERS_PATH.removeprefix("search.")
_CONTENT = CONTENT_PATH.removeprefix("search.")
_REQUEST_ID = "entity:identifier="
_VERSION = "/_history/"
_PATIENT = "Patient/"
_SAMPLE = "Basic/sample"
_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def index_values(access: Access, patient: str, references: Sequence[str], found: dict[str, Any]) -> Values:
    """Return the index values of `found`, the event that tells of one part of an access."""
    if custom_parameters().of("AuditEvent"):
        return search_values(found)
    actor, pattern = access.actor, access.pattern
    frame = _frame(
        replace(actor, emergencies=actor.emergencies & {patient}) if actor.emergencies else actor,
        pattern,
        access.operation,
        access.outcome,
        bool(access.query),
        bool(patient),
        min(len(references), 2),
        bool(access.request_id),
    )
    moment = next_instant(access.moment, None)
    names = [reference.partition(_VERSION)[0] for reference in references]
    if patient:
        names.append(_PATIENT + patient)
    names = list(dict.fromkeys(names))
    patients = [*frame.get("patient", ()), *(name for name in names if name.startswith(_PATIENT))]
    values = {**frame, "date": {"lo": moment, "hi": moment + _MILLISECOND}}
    if names or access.request_id:
        values["entity"] = names
    if access.request_id:
        identifiers = (f"{_REQUEST_ID}|{access.request_id}", f"{_REQUEST_ID}{access.request_id}")
        values[_MODIFIERS] = [*frame.get(_MODIFIERS, ()), *identifiers]
    if patients:
        values["patient"] = list(dict.fromkeys(patients))
    return values


@lru_cache(maxsize=4096)
def _frame(
    actor: Actor,
    pattern: Pattern,
    operation: str,
    outcome: str,
    has_query: bool,
    has_patient: bool,
    references: int,
    has_request: bool,
) -> Values:
    """Return what all events of an actor, of one pattern and outcome, have in common."""
    [patient] = actor.emergencies or [_SAMPLE.partition("/")[2]]
    sample = Access(actor, pattern, _MOMENT, "1" * has_request, {}, _SAMPLE * has_query, operation, outcome)
    values = search_values(event(sample, patient if has_patient else "", (_SAMPLE,) * references))
    for varying in ("date", "entity", _CONTENT):
        values.pop(varying, None)
    own = [name for name in values.pop("patient", ()) if name != _PATIENT + patient]
    kept = [value for value in values.pop(_MODIFIERS, ()) if not value.startswith(_REQUEST_ID)]
    return values | ({"patient": own} if own else {}) | ({_MODIFIERS: kept} if kept else {})
