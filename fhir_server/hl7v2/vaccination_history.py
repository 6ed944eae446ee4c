"""QBP^Q11: what vaccinations somebody had (Z34), and which are due (Z44), answered with RSP^K11.

Who is asked for is named by family name and birth date at least, and all that is said has to be so on record:
a number alone opens no record. One who fits is told of (Z32, Z42); of several the sender gets who they are
(Z31), to ask again. Nothing is forecast here: what is told are the ImmunizationRecommendations and
ImmunizationEvaluations that are on record.

CDC, HL7 Version 2.5.1 Implementation Guide for Immunization Messaging 1.5, chapter 7; HL7 v2.5.1 §5.3.1
"""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.channels import Channel
from adapters.from_fhir.around import around
from adapters.from_fhir.people import nk1, pd1, pid
from adapters.from_fhir.telling import Resource, SegmentFields
from adapters.from_fhir.vaccinations import forecasts, vaccination
from adapters.to_fhir.datatypes.identifiers import cx
from adapters.to_fhir.datatypes.people import gender, xpn
from adapters.to_fhir.datatypes.times import date
from adapters.to_fhir.rules import Convert
from adapters.to_fhir.scope import Place, Scope
from adapters.to_fhir.value import NULL, Value
from fhir_server.context import Context
from fhir_server.hl7v2.asking import Answer, numbered, patients, telling
from fhir_server.hl7v2.persons import fits
from fhir_server.search.escaping import escape
from fhir_server.search.parameters import parse_search
from fhir_server.workflows.records import local
from hl7.errors import REQUIRED_FIELD_MISSING, TABLE_VALUE_NOT_FOUND, HL7Error, Location
from hl7.message import Message, Segment
from hl7.query_answers import MOST, Response, most_records

_HISTORY, _FORECAST = "Z34", "Z44"
_ANSWERS = {_HISTORY: "Z32", _FORECAST: "Z42"}
_CANDIDATES, _NONE = "Z31", "Z33"
_BY = "CDCPHINVS"
# Nobody has so many vaccinations; what is beyond is no record of a person.
_MOST_OF_ONE = 1000


async def vaccination_history(message: Message, channel: Channel, context: Context) -> Answer:
    """Return the answer to a query of who was vaccinated with what.

    Raises HL7Error for a query of another name (103), and for one that does not say whom it is about (101).
    """
    qpd = message.first("QPD")
    if qpd is None or qpd.get(1) not in _ANSWERS:
        raise HL7Error(
            "a query of this name is not answered", code=TABLE_VALUE_NOT_FOUND, location=Location("QPD", 1, 1)
        )
    most = most_records(message)
    said = _said(qpd, message, channel)
    found = await _who_fit(said, context)
    if found is None or (len(found) > 1 and len(found) > most):
        return Answer(Response("TM", profile=(_NONE, _BY)))
    if not found:
        return Answer(Response("NF", 0, profile=(_NONE, _BY)))
    references = tuple(f"Patient/{one['id']}" for one in found)
    if len(found) > 1:
        rows = numbered(found, message, channel, context)
        return Answer(Response("OK", len(found), rows, (_CANDIDATES, _BY)), references)
    told = await _record(message, channel, found[0], context, with_forecast=qpd.get(1) == _FORECAST)
    return Answer(Response("OK", 1, tuple(told), (_ANSWERS[qpd.get(1)], _BY)), references)


def _said(qpd: Segment, message: Message, channel: Channel) -> dict[str, Any]:
    """Return the person of a query as a Patient: numbers, names, birth date and sex."""
    scope = Scope.of(message, channel)
    name = _read(qpd, 4, xpn, scope)
    born = _read(qpd, 6, date, scope)
    for field, value in ((4, (name or {}).get("family")), (6, born)):
        if not value:
            text = "the query does not say whom it is about"
            raise HL7Error(text, code=REQUIRED_FIELD_MISSING, location=Location("QPD", 1, field))
    values = [Value(one.raw, scope.reader) for one in qpd[3].repetitions if one.raw and one.raw != NULL]
    numbers = [found for one in values if (found := cx(one, scope)) is not None]
    return {"name": [name], "birthDate": born, "identifier": numbers, **(_read(qpd, 7, gender, scope) or {})}


def _read(qpd: Segment, field: int, convert: Convert, scope: Scope) -> Any:
    raw = qpd[field].repetition(1).raw
    scope.place = Place("QPD", 1, field)
    return convert(Value(raw, scope.reader), scope) if raw and raw != NULL else None


async def _who_fit(said: Mapping[str, Any], context: Context) -> list[dict[str, Any]] | None:
    """Return the patients of whom all is so that was said; None if they are too many to look at."""
    pairs = [("family", escape(said["name"][0]["family"])), ("birthdate", said["birthDate"])]
    found = await patients(pairs, MOST, context)
    return None if found is None else [one for one in found if fits(one, said)]


async def _record(
    message: Message, channel: Channel, patient: Resource, context: Context, *, with_forecast: bool
) -> list[list[Any]]:
    """Return the segments of what the records have of one patient's vaccinations, the earliest first."""
    about = ("patient", f"Patient/{patient['id']}")
    given = [
        one for one in await _found("Immunization", about, context) if one["status"] != "entered-in-error"
    ]
    given.sort(key=lambda one: str(one.get("occurrenceDateTime", "")))
    results = await _found("Observation", about, context, ("part-of:missing", "false")) if given else []
    evaluations = await _found("ImmunizationEvaluation", about, context) if with_forecast else []
    due = await _found("ImmunizationRecommendation", about, context) if with_forecast else []
    base_url = context.base_url

    async def read(reference: str) -> Resource | None:
        key = local(reference, base_url)
        version = None if key is None else await context.store.read(*key)
        return None if version is None else version.resource

    known = await around([patient, *given, *results], read)
    circumstances = telling(message, channel, patient, context, known)
    primary = pd1(circumstances, patient)
    rows: list[SegmentFields] = [
        pid(circumstances, patient),
        *([primary] if primary else []),
        *nk1(patient),
    ]
    for one in given:
        reference = f"Immunization/{one['id']}"
        observed = [each for each in results if _is_of(each.get("partOf", ()), reference, base_url)]
        judged = [
            each
            for each in evaluations
            if each["status"] == "completed" and _is_of([each["immunizationEvent"]], reference, base_url)
        ]
        rows += vaccination(circumstances, one, observed, judged)
    latest = sorted(due, key=lambda one: str(one.get("date", "")))[-1:]
    rows += [row for one in latest for row in forecasts(one)]
    return [list(row) for row in rows]


def _is_of(references: Sequence[Mapping[str, Any]], reference: str, base_url: str) -> bool:
    key = tuple(reference.split("/"))
    return any(local(one.get("reference"), base_url) == key for one in references)


async def _found(
    resource_type: str, about: tuple[str, str], context: Context, *more: tuple[str, str]
) -> list[dict[str, Any]]:
    query = parse_search(
        resource_type, [about, *more], lenient=False, base_url=context.base_url, now=context.now()
    )
    documents = await context.store.find(resource_type, query.filter, (), {"resource": 1}, _MOST_OF_ONE)
    return [one["resource"] for one in documents]
