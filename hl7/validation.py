"""What is wrong with a message, as far as those who read it depend on it.

Tolerant by default: segments and fields that the standard requires, that senders leave out, and that nothing
depends on, are no errors; `strict` makes them so. Codes of states that are not in HL7's table are warnings,
as is told of them where they are mapped. Z segments, unknown segments and fields beyond the last known one
are never wrong.

Source: HL7 v2.5.1 §2.5.3 (required), §2.A (datatypes), tables 0038, 0085, 0103, 0119, 0123 and 0125
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
from hl7.grouping import grouped
from hl7.message import Message, Repetition, Segment
from hl7.structure import TABLES, Group, structure_of

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
# Fields with a code of a table that HL7 fixes: an unknown one is an error where nothing can be done without
# it.
_CODED = {
    ("ORC", 1): ("0119", "E"),
    ("ORC", 5): ("0038", "W"),
    ("OBR", 25): ("0123", "W"),
    ("OBX", 2): ("0125", "E"),
    ("OBX", 11): ("0085", "W"),
    ("MSA", 1): ("0008", "E"),
}
_Check = Callable[[Repetition, Location], object]


def violations(
    message: Message, required_fields: Iterable[str] = (), *, strict: bool = False
) -> list[HL7Error]:
    """Return what is wrong, in the order of the segments; an empty list if all is well.

    `required_fields` such as `PV1-19` or `PID-3.4` are required as well, in each segment of that name that
    there is. `severity` tells errors (E) from warnings (W). Raises `ValueError` if one of them is no name of
    a field.
    """
    found = list(_header(message))
    try:
        structure = structure_of(message.header)
    except UnsupportedMessage as error:
        return [*found, error]
    tree = grouped(message, structure)
    found += _segments(message, tree, strict=strict)
    merge = ["MRG-1"] if message.header.trigger_event in _MERGES else []
    needed = _needed([*REQUIRED_FIELDS, *merge, *required_fields])
    for segment in message.segments:
        datatypes = _datatypes().get(segment.name, ())
        found += _missing_fields(segment, needed.get(segment.name, []), datatypes if strict else ())
        found += _wrong_values(segment, datatypes, strict=strict)
    return found


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
    for index, component in dict.fromkeys([*needed, *by_standard]):
        place = Location(segment.name, segment.sequence, index)
        field = segment[index]
        if not field or field.is_null:
            yield _missing("a required field is empty", place)
        elif component is not None and not field[component].text:
            place = Location(segment.name, segment.sequence, index, 1, component)
            yield _missing("a required component is empty", place)


def _wrong_values(segment: Segment, datatypes: tuple[str, ...], *, strict: bool) -> Iterator[HL7Error]:
    raw = segment.raw_fields
    for index, datatype in enumerate(datatypes[: len(raw) - 1], 1):
        check = _CHECKS.get(datatype.rstrip("!*"))
        if raw[index] and check and (strict or check is not _set_id):
            yield from _checked(segment, index, check)
        coded = _CODED.get((segment.name, index))
        if coded and raw[index] and segment.get(index) not in _codes()[coded[0]] | {""}:
            place = Location(segment.name, segment.sequence, index)
            text = f"the code is not in table {coded[0]}"
            yield HL7Error(text, code=TABLE_VALUE_NOT_FOUND, location=place, severity=coded[1])
    if segment.name == "OBX" and segment[5]:
        observed = _CHECKS.get(segment.get(2)) or (_structured if segment.get(2) == "SN" else None)
        if observed:
            yield from _checked(segment, 5, observed)


def _checked(segment: Segment, index: int, check: _Check) -> Iterator[HL7Error]:
    for repetition, value in enumerate(segment[index].repetitions, 1):
        if value[1].text or check is _structured:
            try:
                check(value, Location(segment.name, segment.sequence, index, repetition))
            except HL7Error as error:
                yield error


def _timestamp(value: Repetition, location: Location) -> None:
    timestamp(value[1].text, location)


def _time(value: Repetition, location: Location) -> None:
    fhir_time(value[1].text, location)


def _number(value: Repetition, location: Location) -> None:
    number(value[1].text, location)


def _set_id(value: Repetition, location: Location) -> None:
    if not value.text.isdecimal():
        raise HL7Error("this is no number of a segment", code=DATA_TYPE, location=location)


def _structured(value: Repetition, location: Location) -> None:
    structured_numeric(value, location)


_CHECKS: dict[str, _Check] = {
    "DT": _timestamp,
    "DTM": _timestamp,
    "TS": _timestamp,
    "TM": _time,
    "NM": _number,
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
