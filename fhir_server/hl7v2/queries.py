"""QBP^Q22: which patients fit, answered from the records with RSP^K22. HL7 v2.5.1 §3.3.56, §5.4.1

What is asked for are fields of PID (`@PID.5.1^Muster~@PID.7^19800203`), all of which have to fit.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.channels import Channel
from adapters.to_fhir.datatypes.identifiers import system_of
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.value import Reader, Value
from fhir_server.context import Context
from fhir_server.search.parameters import parse_search
from fhir_server.workflows.registration.identity import is_merged
from hl7.ack import answer_fields, header_fields
from hl7.building import FieldValue, Raw, Repetitions, build
from hl7.datatypes import timestamp
from hl7.errors import DATA_TYPE, REQUIRED_FIELD_MISSING, TABLE_VALUE_NOT_FOUND, HL7Error, Location
from hl7.message import Message
from hl7.received import received

Resource = Mapping[str, Any]

_MOST = 100
_TEXTS = {
    "PID.5.1": "family",
    "PID.5.2": "given",
    "PID.11.3": "address-city",
    "PID.11.5": "address-postalcode",
}
_GENDERS = {"male": "M", "female": "F", "other": "O", "unknown": "U"}


async def answered(message: Message, channel: Channel, context: Context) -> tuple[bytes, list[str]]:
    """Return the answer to a query, and the references of the patients that it tells of.

    Raises HL7Error for a query that asks for nothing (101), or for what cannot be asked for (103).
    """
    pairs = _asked(message, channel)
    query = parse_search("Patient", pairs, lenient=False, base_url=context.base_url, now=context.now())
    documents = await context.store.find("Patient", query.filter, (), {"resource": 1}, _MOST)
    found = [one["resource"] for one in documents if not is_merged(one["resource"])]
    return _response(message, channel, found, context), [f"Patient/{one['id']}" for one in found]


def _asked(message: Message, channel: Channel) -> list[tuple[str, str]]:
    """Return what is asked for as search parameters."""
    qpd = message.first("QPD")
    if qpd is None or not qpd[3]:
        place = Location("QPD", 1, 3)
        raise HL7Error("the query asks for nothing", code=REQUIRED_FIELD_MISSING, location=place)
    told = {}
    for number, repetition in enumerate(qpd[3].repetitions, 1):
        name = repetition[1].text.removeprefix("@").upper()
        if repetition[2].text:
            told[name] = (repetition[2].text, number)
    pairs: list[tuple[str, str]] = []
    for name, (text, number) in told.items():
        place = Location("QPD", 1, 3, number)
        if name.startswith("PID.3"):
            if name in ("PID.3", "PID.3.1"):
                pairs.append(("identifier", _identifier(text, told, message, channel)))
        elif name in _TEXTS:
            pairs.append((_TEXTS[name], _literal(text)))
        elif name in ("PID.7", "PID.7.1"):
            pairs.append(("birthdate", timestamp(text, place).fhir_date()))
        elif name in ("PID.8", "PID.8.1"):
            gender = next((key for key, code in _GENDERS.items() if code == text), None)
            if gender is None:
                raise HL7Error("a sex that is not in the table", code=TABLE_VALUE_NOT_FOUND, location=place)
            pairs.append(("gender", gender))
        else:
            raise HL7Error("this field cannot be asked for", code=TABLE_VALUE_NOT_FOUND, location=place)
    if not pairs:
        raise HL7Error("the query asks for nothing", code=DATA_TYPE, location=Location("QPD", 1, 3))
    return pairs


def _identifier(text: str, told: Mapping[str, tuple[str, int]], message: Message, channel: Channel) -> str:
    """Return a number with its system, if the query says who gave it."""
    parts = [told.get(f"PID.3.4.{number}", ("", 0))[0] for number in (1, 2, 3)]
    parts[0] = parts[0] or told.get("PID.3.4", ("", 0))[0]
    if not any(parts):
        return _literal(text)
    authority = Value(message.chars.subcomponent.join(parts), Reader.of(message), is_component=True)
    return f"{_literal(system_of(authority, Scope.of(message, channel)))}|{_literal(text)}"


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace(",", "\\,").replace("$", "\\$")


def _response(message: Message, channel: Channel, found: Sequence[Resource], context: Context) -> bytes:
    to = received(message)
    qpd = message.first("QPD")
    assert qpd is not None  # noqa: S101 - see _asked
    kind = ["RSP", "K22", "RSP_K21"] if to.has_structures else ["RSP", "K22"]
    segments: list[list[FieldValue]] = [
        header_fields(to, kind, context.now(), uuid.uuid4().hex[:20].upper(), None, ""),
        *answer_fields(to, "AA", ()),
        ["QAK", Raw(qpd[2].raw), "OK" if found else "NF", Raw(qpd[1].raw), str(len(found))],
        ["QPD", *(Raw(one.raw) for one in qpd.fields)],
    ]
    names = {system: name for name, system in channel.authorities.items() if name}
    segments += [_pid(place, one, names) for place, one in enumerate(found, 1)]
    return build(segments, to.chars, to.codec)


def _pid(place: int, patient: Resource, names: Mapping[str, str]) -> list[FieldValue]:
    """Return a patient as PID: numbers that are in use, names, birth date, sex, address."""
    numbers = [
        [one["value"], "", "", _authority(one.get("system", ""), names), _type(one)]
        for one in patient.get("identifier", ())
        if one.get("value") and one.get("use") != "old"
    ]
    people = [
        [one.get("family", ""), *(one.get("given", [""])[:1] or [""])] for one in patient.get("name", ())
    ]
    addresses = [
        [
            " ".join(one.get("line", ())),
            "",
            one.get("city", ""),
            one.get("state", ""),
            one.get("postalCode", ""),
        ]
        for one in patient.get("address", ())
    ]
    born = str(patient.get("birthDate", "")).replace("-", "")
    sex = _GENDERS.get(str(patient.get("gender", "")), "")
    return ["PID", str(place), "", Repetitions(*numbers), "", Repetitions(*people), "", born, sex, "", "",
            Repetitions(*addresses)]  # fmt: skip


def _type(identifier: Resource) -> str:
    codings = identifier.get("type", {}).get("coding", ())
    return str(next((one.get("code", "") for one in codings), ""))


def _authority(system: str, names: Mapping[str, str]) -> Any:
    """Return the HD of a system: the channel's name for it, else what the system itself says."""
    if system in names:
        return names[system]
    if system.startswith("urn:oid:"):
        return ["", system.removeprefix("urn:oid:"), "ISO"]
    return ["", system, "URI"] if system else ""
