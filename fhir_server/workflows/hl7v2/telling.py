"""Changes as HL7 v2 messages for the systems that the file of channels names.

The messages are made in the transaction of the change, from the records as it leaves them: each says how
things were then, whatever comes after, and its MSH-10 and bytes are fixed from then on.
docs/decisions/0044-outbox-of-messages.md
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog

from adapters.destinations import Destination
from adapters.from_fhir.adt import WHOLE, payers_changed, survivor
from adapters.from_fhir.around import around
from adapters.from_fhir.messages import TYPES, for_destination, message, messages, rank
from adapters.from_fhir.telling import Telling as Circumstances
from adapters.from_fhir.telling import Told
from fhir_server.store import instant
from fhir_server.store.ruling import Send
from fhir_server.workflows.pattern import Change
from fhir_server.workflows.records import Records
from resources.operation_outcome import FhirError

Resource = Mapping[str, Any]
PATTERN_ID = "W19"
# HL7 v2.5.1 §2.15.9.10: MSH-10 has 20 characters at most up to version 2.6.
_CONTROL_ID_LENGTH = 20
_UNDER_WAY = "arrived,triaged,in-progress,onleave"
_MOST_RELATED = 50
_WHOLE = frozenset(f"ADT^{event}" for event in WHOLE)
_WITH_ALLERGIES = _WHOLE | {"RDE^O11", "RDE^O01"}


class Messages:
    """Makes the messages for `destinations` (see `workflows.telling.Telling`)."""

    pattern = PATTERN_ID
    types = TYPES

    def __init__(self, destinations: Sequence[Destination]) -> None:
        """Tell `destinations`, of which there is one at least."""
        self._destinations = tuple(destinations)
        self._log = structlog.get_logger("fhir_server.hl7v2")

    async def messages(self, changes: Sequence[Change], records: Records) -> Sequence[Send]:
        """Return the messages that tell of changes, in the order in which they are to be sent."""
        told = [one for change in changes for one in messages(change.before, change.after)]
        told += await self._reports(changes, told, records)
        told += await self._payers(changes, told, records)
        sends: list[Send] = []
        for one in sorted(told, key=rank):
            sends += await self._of(one, records)
        return sends

    async def _of(self, told: Told, records: Records) -> list[Send]:
        """Return the messages by which those who want to know are told of one event."""
        may_become_a08 = told.message == "ADT^A31" and self._want("ADT^A08")
        if not may_become_a08 and not any(for_destination(told, one) for one in self._destinations):
            return []
        related = await _related(told, records)
        if told.message == "ADT^A31" and related["encounters"]:
            told = Told("ADT^A08", told.before, told.after)
        wanted = [(one, where) for where in self._destinations if (one := for_destination(told, where))]
        if not wanted:
            return []
        before = told.before or {}
        # What the encounter had before a transfer stands in PV1-6.
        roots = [told.resource, *([before] if before else ()), *related["encounters"]]
        roots += [*related["coverages"], *related["accounts"]]
        found = await around(roots, _reader(records))
        found |= {f"{one['resourceType']}/{one['id']}": one for one in related["encounters"]}
        if (into := survivor(told.resource)) is not None and told.message == "ADT^A40":
            found |= await _read([into], records)
        return [self._send(one, where, found, related, records) for one, where in wanted]

    def _want(self, message_name: str) -> bool:
        return any(one.wants(message_name) for one in self._destinations)

    def _send(
        self,
        told: Told,
        destination: Destination,
        found: Mapping[str, Resource],
        related: Mapping[str, Sequence[Resource]],
        records: Records,
    ) -> Send:
        control_id = uuid.uuid4().hex[:_CONTROL_ID_LENGTH]
        resource = told.resource
        reference = f"{resource['resourceType']}/{resource['id']}"
        telling = Circumstances(told, destination, found, records.situation.now, control_id, related)
        text, problem = None, ""
        try:
            text, is_replaced = message(telling)
            problem = "characters were replaced that the character set lacks" if is_replaced else ""
        except Exception as failure:  # whatever it is: the change itself must not fail for it
            problem = f"the message could not be made: {type(failure).__name__}"
            self._log.error(
                "message not made", kind=told.message, destination=destination.name, problem=problem
            )
        lane, after = _lanes(telling, reference)
        return Send(destination.name, lane, control_id, told.message, reference, text, after, problem)

    async def _reports(self, changes: Iterable[Change], told: Iterable[Told], records: Records) -> list[Told]:
        """Return the reports whose results were corrected, where the report itself is not told of anyway."""
        if not self._want("ORU^R01"):
            return []
        known = {one.resource["id"] for one in told if one.resource["resourceType"] == "DiagnosticReport"}
        found: dict[str, Told] = {}
        for change in changes:
            if change.resource_type != "Observation" or change.before is None or change.after is None:
                continue
            if _content(change.before) == _content(change.after):
                continue
            for report in await records.search("DiagnosticReport", ("result", change.reference)):
                made = () if report["id"] in known else messages({**report, "status": "registered"}, report)
                for one in made:
                    found[report["id"]] = _by(one, change)
        return list(found.values())

    async def _payers(self, changes: Iterable[Change], told: Sequence[Told], records: Records) -> list[Told]:
        """Return the patients for whom others pay now, where they are not told of anyway."""
        if not (self._want("ADT^A31") or self._want("ADT^A08")):
            return []
        known = {_about(one.resource) for one in told if one.message in _WHOLE}
        found: dict[str, Told] = {}
        for change in changes:
            if change.resource_type not in ("Coverage", "Account"):
                continue
            for patient in _paid_for(change) - known if payers_changed(change.before, change.after) else ():
                resource = (await _read([f"Patient/{patient}"], records)).get(f"Patient/{patient}")
                if resource is not None:
                    meta = {**resource.get("meta", {}), "lastUpdated": instant(records.situation.now)}
                    now = {**resource, "meta": meta}
                    found[patient] = _by(Told("ADT^A31", now, now), change)
        return list(found.values())


def _about(resource: Resource) -> str | None:
    return str(resource["id"]) if resource["resourceType"] == "Patient" else _patient(resource)


def _paid_for(change: Change) -> set[str]:
    """Return the ids of the patients for whom a Coverage or Account pays, or did."""
    found: set[str] = set()
    for resource in (change.before, change.after):
        for one in ({"subject": (resource or {}).get("beneficiary")}, *_subjects(resource or {})):
            patient = _patient(one)
            found |= {patient} if patient is not None else set()
    return found


def _subjects(account: Resource) -> list[Resource]:
    subjects = account.get("subject", ())
    return [{"subject": one} for one in subjects] if isinstance(subjects, list | tuple) else []


def _by(told: Told, change: Change) -> Told:
    """Return what is told of something, as made by whoever changed what belongs to it."""
    before, after = change.before or {}, change.after or {}
    source = after.get("meta", {}).get("source")
    if source is None or source == before.get("meta", {}).get("source"):
        return Told(told.message, told.after, told.after)
    resource = told.resource
    return Told(told.message, None, {**resource, "meta": {**resource.get("meta", {}), "source": source}})


def _content(resource: Resource) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name not in ("meta", "text")}


def _lanes(telling: Circumstances, reference: str) -> tuple[str, tuple[str, ...]]:
    """Return the lane of a message, and those whose messages go before it.

    A merge ends the one of the loser.
    """
    if telling.told.message == "ADT^A40":
        into = telling.get(survivor(telling.told.resource))
        if into is not None:
            return f"Patient/{into['id']}", (reference,)
    patient = telling.patient
    return (reference if patient is None else f"Patient/{patient['id']}"), ()


def _reader(records: Records) -> Any:
    async def read(reference: str) -> Resource | None:
        async def look() -> Resource | None:
            try:
                return await records.read(reference)
            except FhirError:
                return None

        return await records.once(("hl7v2", reference), look)

    return read


async def _read(references: Iterable[str], records: Records) -> dict[str, Resource]:
    read = _reader(records)
    found = {reference: await read(reference) for reference in references}
    return {reference: one for reference, one in found.items() if one is not None}


async def _related(told: Told, records: Records) -> dict[str, list[dict[str, Any]]]:
    """Return what belongs to a message and is not referred to: the stay that is under way, and allergies."""
    resource = told.resource
    patient = _about(resource)
    related: dict[str, list[dict[str, Any]]] = {
        "encounters": [],
        "allergies": [],
        "coverages": [],
        "accounts": [],
    }
    if patient is None:
        return related
    if told.message == "ADT^A31":
        related["encounters"] = await records.search(
            "Encounter", ("patient", patient), ("status", _UNDER_WAY), sort="-date", limit=1
        )
    if told.message in _WITH_ALLERGIES:
        related["allergies"] = await records.search(
            "AllergyIntolerance", ("patient", patient), limit=_MOST_RELATED
        )
    if told.message in _WHOLE:
        related["coverages"] = await records.search(
            "Coverage", ("beneficiary", f"Patient/{patient}"), ("status", "active"), limit=_MOST_RELATED
        )
        related["accounts"] = await records.search(
            "Account", ("subject", f"Patient/{patient}"), ("status", "active"), limit=_MOST_RELATED
        )
    return related


def _patient(resource: Resource) -> str | None:
    """Return the id of whom a resource is about, if that is a patient of this server."""
    about = resource.get("subject") or resource.get("patient") or {}
    kind, _, patient_id = str(about.get("reference", "")).rpartition("/")
    return patient_id if kind == "Patient" or kind.endswith("/Patient") else None
