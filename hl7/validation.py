"""What is wrong with a message, as far as those who read it depend on it.

Tolerant by default: segments and fields that the standard requires, that senders leave out, and that nothing
depends on, are no errors; `strict` makes them so. A value of the wrong datatype that nothing is made of is a
warning, as the record does without it. Codes of states are not looked at, as what is mapped tells of unknown
ones. Z segments, unknown segments, those that the message's structure has no place for, and fields beyond the
last known one are never wrong (HL7 v2.5.1 §2.6.2: what was not expected is ignored).

Source: HL7 v2.5.1 §2.5.3 (required), §2.A (datatypes), tables 0008, 0103, 0119 and 0125
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from hl7.datatypes import fhir_time, number, structured_numeric, timestamp
from hl7.errors import (
    DATA_TYPE,
    REQUIRED_FIELD_MISSING,
    SEGMENT_SEQUENCE,
    TABLE_VALUE_NOT_FOUND,
    UNSUPPORTED_PROCESSING_ID,
    UNSUPPORTED_VERSION,
    VALUE_TOO_LONG,
    HL7Error,
    Location,
    UnsupportedMessage,
)
from hl7.message import Message, Segment
from hl7.segment import NULL
from hl7.structure import Group, grouped, structure, structure_of
from hl7.structure_tables import TABLES

# HL7 v2.7 §2.14.9.10; it was 20 before, which senders do not keep to.
_LONGEST_CONTROL_ID = 199
_VERSION = re.compile(r"2\.[1-9](?:\.[0-9])?")
_SEGMENT_NAME = re.compile(r"[A-Z][A-Z0-9]{2}")
_REQUIRED_FIELD = re.compile(r"([A-Z][A-Z0-9]{2})-([1-9][0-9]{0,2})(?:\.([1-9][0-9]?))?")
# Required segments without which a message still says what it has to.
_LEFT_OUT_BY_SENDERS = frozenset(
    {"EVN", "DSC", "LDP", "NTE", "ORC", "PRD", "QAK", "QRI", "RCP", "RGS", "RXR", "TQ1"}
)
_EARLIER_RESULTS = "PRIOR"
# What every reader of these segments depends on, and every version requires.
REQUIRED_FIELDS = (
    "PID-3", "PID-5", "AL1-3", "PV1-2", "ORC-1", "OBR-4", "OBX-3", "FT1-6", "FT1-7", "TXA-2",
    "RXA-3", "RXA-5", "MFI-1", "MFE-1", "QPD-1", "MSA-1", "MSA-2", "AIL-3", "AIP-3", "AIS-3",
)  # fmt: skip
# Events that merge a person need to say whom; others name an account or a visit in MRG.
_MERGES = frozenset({"A18", "A34", "A36", "A39", "A40"})
# Fields with a code of a table that HL7 fixes, and without which it is not known what to do.
_CODED = {"ORC": ((1, "0119"),), "OBX": ((2, "0125"),), "MSA": ((1, "0008"),)}
_Check = Callable[[str], object]
IsRead = Callable[[str, int], bool]
"""Tells whether anything is made of a field, by the name of its segment and its number."""


def _all_is_read(_segment: str, _field: int) -> bool:
    return True


def violations(
    message: Message,
    required_fields: Iterable[str] = (),
    *,
    strict: bool = False,
    is_read: IsRead = _all_is_read,
) -> list[HL7Error]:
    """Return what is wrong, in the order of the segments; an empty list if all is well.

    `required_fields` such as `PV1-19` or `PID-3.4` are required as well, in each segment of that name that
    there is. What is wrong in a field that nothing `is_read` of has the severity W. Raises `ValueError` if
    one of `required_fields` is no name of a field.
    """
    found = list(_header(message))
    try:
        name = structure_of(message.header)
    except UnsupportedMessage as error:
        return [*found, error]
    tree = grouped(message, name)
    found += _segments(message, tree, strict=strict)
    merge = ["MRG-1"] if message.header.trigger_event in _MERGES else []
    needed, by_channel = _needed([*REQUIRED_FIELDS, *merge, *required_fields]), _needed(required_fields)
    expected = structure(name).contents
    for segment in message.segments:
        if segment.name not in expected and not strict:
            found += _missing_fields(segment, by_channel.get(segment.name, []), ())
            continue
        datatypes = _datatypes().get(segment.name, ()) if strict else ()
        found += _missing_fields(segment, needed.get(segment.name, []), datatypes)
        found += _wrong_values(segment, strict=strict, is_read=is_read)
    return found


def checks_datatype(segment: str, field: int) -> bool:
    """Tell whether the datatype of a field is looked at: those of times and numbers are."""
    return any(index == field for index, _ in _checks_of(segment, strict=False))


def _header(message: Message) -> Iterator[HL7Error]:
    header = message.header
    if not header.message_code:
        yield _missing("the type of the message is missing", Location("MSH", 1, 9))
    if not header.control_id:
        yield _missing("the number of the message is missing", Location("MSH", 1, 10))
    if len(header.control_id) > _LONGEST_CONTROL_ID:
        place = Location("MSH", 1, 10)
        yield HL7Error("the number of the message is too long", code=VALUE_TOO_LONG, location=place)
    if header.processing_id and header.processing_id not in _codes()["0103"]:
        yield HL7Error(
            "unknown processing id", code=UNSUPPORTED_PROCESSING_ID, location=Location("MSH", 1, 11)
        )
    if header.version and not _VERSION.fullmatch(header.version.strip()):
        yield HL7Error("unknown version", code=UNSUPPORTED_VERSION, location=Location("MSH", 1, 12))


def _missing(text: str, location: Location) -> HL7Error:
    return HL7Error(text, code=REQUIRED_FIELD_MISSING, location=location)


def _segments(message: Message, tree: Group, *, strict: bool) -> Iterator[HL7Error]:
    for segment in message.segments:
        if not _SEGMENT_NAME.fullmatch(segment.name):
            yield HL7Error(f"line {segment.line + 1} is no segment", code=SEGMENT_SEQUENCE)
    told: dict[str, int] = {}
    for group in tree.walk():
        for name in group.missing:
            if strict or (name not in _LEFT_OUT_BY_SENDERS and _EARLIER_RESULTS not in group.name):
                told[name] = told.get(name, len(message.all(name))) + 1
                where = "" if group is tree else f" in a group {group.name}"
                place = Location(name, told[name])
                yield HL7Error(f"no segment {name}{where}", code=SEGMENT_SEQUENCE, location=place)


def _needed(names: Iterable[str]) -> dict[str, list[tuple[int, int | None]]]:
    found: dict[str, list[tuple[int, int | None]]] = {}
    for name in dict.fromkeys(names):
        match = _REQUIRED_FIELD.fullmatch(name)
        if match is None:
            raise ValueError(f"{name} is no field: PID-3 and PID-3.4 are")
        segment, field, component = match.groups()
        found.setdefault(segment, []).append((int(field), int(component) if component else None))
    return found


def _missing_fields(
    segment: Segment, needed: list[tuple[int, int | None]], datatypes: tuple[str, ...]
) -> Iterator[HL7Error]:
    by_standard = [(index, None) for index, datatype in enumerate(datatypes, 1) if "!" in datatype]
    raw = segment.raw_fields
    for index, component in dict.fromkeys([*needed, *by_standard]):
        if index >= len(raw) or raw[index] in {"", NULL}:
            place = Location(segment.name, segment.sequence, index)
            yield _missing("a required field is empty", place)
        elif component is not None and not segment[index][component].text:
            place = Location(segment.name, segment.sequence, index, 1, component)
            yield _missing("a required component is empty", place)


def _wrong_values(segment: Segment, *, strict: bool, is_read: IsRead) -> Iterator[HL7Error]:
    raw = segment.raw_fields
    for index, check in _checks_of(segment.name, strict):
        if index < len(raw) and raw[index]:
            severity = "E" if strict or is_read(segment.name, index) else "W"
            yield from _checked(segment, index, check, severity)
    for index, table in _CODED.get(segment.name, ()):
        if segment.get(index) not in _codes()[table] | {""}:
            place = Location(segment.name, segment.sequence, index)
            yield HL7Error(f"the code is not in table {table}", code=TABLE_VALUE_NOT_FOUND, location=place)
    if segment.name == "OBX" and segment[5]:
        yield from _wrong_observations(segment)


def _wrong_observations(obx: Segment) -> Iterator[HL7Error]:
    """Look at OBX-5 as OBX-2 says."""
    datatype = obx.get(2)
    if datatype in _CHECKS:
        yield from _checked(obx, 5, _CHECKS[datatype])
    elif datatype == "SN":
        for repetition, value in enumerate(obx[5].repetitions, 1):
            try:
                structured_numeric(value, Location("OBX", obx.sequence, 5, repetition))
            except HL7Error as error:
                yield error


@lru_cache(maxsize=512)
def _checks_of(name: str, strict: bool) -> tuple[tuple[int, _Check], ...]:
    """Return which fields of a segment are checked, and how."""
    checks = (
        (index, _CHECKS.get(datatype.rstrip("!*")))
        for index, datatype in enumerate(_datatypes().get(name, ()), 1)
    )
    return tuple((index, check) for index, check in checks if check and (strict or check is not _set_id))


def _checked(segment: Segment, index: int, check: _Check, severity: str = "E") -> Iterator[HL7Error]:
    """Look at the first component of each repetition."""
    if segment.chars.repetition and segment.chars.repetition in segment.raw_fields[index]:
        texts = [value[1][1] for value in segment[index]]
    else:
        texts = [segment.get(index)]
    for repetition, text in enumerate(texts, 1):
        try:
            if text:
                check(text)
        except HL7Error as error:
            place = Location(segment.name, segment.sequence, index, repetition)
            yield HL7Error(error.text, code=error.code, location=place, severity=severity)


def _set_id(text: str) -> None:
    if not text.isdecimal():
        raise HL7Error("this is no number of a segment", code=DATA_TYPE)


_CHECKS: dict[str, _Check] = {
    "DT": timestamp,
    "DTM": timestamp,
    "TS": timestamp,
    "TM": fhir_time,
    "NM": number,
    "SI": _set_id,
}


@lru_cache(maxsize=1)
def _datatypes() -> dict[str, tuple[str, ...]]:
    """Return the datatypes of each segment's fields."""
    table = tomllib.loads((TABLES / "segments.toml").read_text("ascii"))
    return {name: tuple(fields.split()) for name, fields in table.items()}


@lru_cache(maxsize=1)
def _codes() -> dict[str, frozenset[str]]:
    """Return the codes of each table."""
    table = tomllib.loads((TABLES / "codes.toml").read_text("ascii"))
    return {name: frozenset(codes.split()) for name, codes in table.items()}
