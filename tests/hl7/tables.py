"""Make the data files of `hl7/tables/`: `python -m tests.hl7.tables [--check]`.

Facts of versions 2.1 to 2.8.2 come from the tables of hl7apy (MIT): which segments a structure has, in which
order and groups, which fields a segment has and of which datatype. All versions become one: what any of them
allows is allowed, and what all of them demand is demanded. Which event has which structure comes from table
0354 as FHIR R4 publishes it. What that leaves out is in `_MORE_EVENTS`.
"""

import argparse
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

TABLES = Path(__file__).parents[2] / "hl7" / "tables"
VERSIONS = ("2_1", "2_2", "2_3", "2_3_1", "2_4", "2_5", "2_5_1", "2_6", "2_7", "2_8", "2_8_1", "2_8_2")
# The shape of groups is that of 2.5.1, which most senders and guides have; later versions add to it.
_BASE, _LATER = "2_5_1", ("2_6", "2_7", "2_8", "2_8_1", "2_8_2")
# Claims, care coordination and devices: no hospital that we know of sends them, and their choices hold
# groups.
_LEFT_OUT = re.compile(r"EHC_|CC[A-Z]_|CQU_|CQ._|SDR_|QBP_E|RSP_E|.*ANYHL7")
# Groups that versions name in two ways; those that hl7apy names by all that is in them are named by what is
# first.
_GROUPS = {
    "AUTHORIZATION_CONTACT1": "AUTHORIZATION_CONTACT",
    "AUTHORIZATION_CONTACT2": "AUTHORIZATION_CONTACT",
    "OBXTCDSIDNTE_SUPPGRP": "RESULT",
    "TIIMING": "TIMING",
    "VXU_V04_PATIENT": "PATIENT_VISIT",
}
_UNNAMED = "SUPPGRP"
_BY_FIRST = {
    "AUT": "AUTHORIZATION_CONTACT",
    "EVN": "DOCUMENT",
    "OBX": "OBSERVATION",
    "ORC": "ORDER",
    "PID": "PATIENT",
    "PV1": "VISIT",
    "RXA": "ADMINISTRATION",
    "SPM": "SPECIMEN",
    "TQ1": "TIMING_QTY",
    "FAC": "FACILITY",
    "PSH": "PRODUCT",
}
_EVENT = re.compile(r"\b(?:[A-Z][0-9]{2}|PC[0-9A-Z]|RAR|RDR|RER|RGR|ROR|MFA)\b")
# What FHIR's copy of table 0354 leaves out: HL7 v2.5.1 §2.17.3, and S27 of version 2.6.
_MORE_EVENTS = {
    "ADT_A05": "ADT^A28 ADT^A31",
    "ADT_A30": "ADT^A30 ADT^A34 ADT^A35 ADT^A36 ADT^A46 ADT^A47 ADT^A48 ADT^A49",
    "SIU_S12": "SIU^S27",
}
# Where one table for all versions needs more than is in hl7apy's.
_ADDED = {
    # A document about the order (version 2.7): else its OBX would be a result.
    "ORU_R01": ("[ORC] OBR", "[ORC] [ORDER_DOCUMENT(OBX [{PRT}] TXA)] OBR"),
    # Details of a requisition, HL7 v2.5.1 §4.11.1.
    "ORM_O01": ("|ODT>", "|ODT> [RQ1]"),
}
_CODES = ("0008", "0038", "0085", "0103", "0119", "0123", "0125", "0155")
_MORE_CODES: dict[str, str] = {}
# hl7apy has no tables of codes for older versions.
_WITH_TABLES = VERSIONS[VERSIONS.index("2_3_1") :]
_PRIMITIVE = {"TS": "DTM", "DTM": "DTM", "DT": "DT", "TM": "TM", "NM": "NM", "SI": "SI"}


@dataclass(frozen=True, slots=True)
class Item:
    """A segment, a choice of segments (`names`), or a group (`items`) in a structure."""

    names: tuple[str, ...]
    least: int
    is_repeated: bool
    items: "tuple[Item, ...] | None" = None

    def __str__(self) -> str:
        text = "|".join(self.names)
        if len(self.names) > 1:
            text = f"<{text}>"
        if self.items is not None:
            text = f"{text}({written(self.items)})"
        text = f"{{{text}}}" if self.is_repeated else text
        return text if self.least else f"[{text}]"


def written(items: Iterable[Item]) -> str:
    """Return a structure as HL7 writes it: `[optional] {repeated} <one|of> GROUP(...)`."""
    return " ".join(map(str, items))


def structures() -> dict[str, tuple[Item, ...]]:
    """Return all structures by name."""
    found: dict[str, tuple[Item, ...]] = {}
    for version in (_BASE, *_LATER):
        for name, items in _of_version(version):
            found[name] = _merged(found[name], items, frozenset()) if name in found else items
    for version in reversed(VERSIONS):
        for name, items in _of_version(version):
            found.setdefault(name, items)
    known = _published_events()
    return {name: found[name] for name in sorted(found) if known.get(name.replace("_", "^"), name) == name}


def _of_version(version: str) -> Iterator[tuple[str, tuple[Item, ...]]]:
    groups = import_module(f"hl7apy.v{version}.groups").GROUPS
    for name, (_, items) in import_module(f"hl7apy.v{version}.messages").MESSAGES.items():
        if not _LEFT_OUT.match(name):
            yield name, tuple(_items(name, items, groups))


def _items(structure: str, items: Iterable[Any], groups: dict[str, Any]) -> Iterator[Item]:
    for name, _, (least, most), kind, *_ in items:
        if most == 0 or name == "ANYHL7SEGMENT":
            continue
        is_repeated = most == -1 or most > 1
        if kind == "SEG":
            yield Item((name,), least, is_repeated)
            continue
        form, members = groups[name]
        if form == "choice":
            names = tuple(member[0] for member in members if member[0] != "ANYHL7SEGMENT")
            if names:
                yield Item(names, least, is_repeated)
        else:
            inner = tuple(_items(structure, members, groups))
            if inner:
                yield Item((_group_name(structure, name, inner),), least, is_repeated, inner)


def _group_name(structure: str, name: str, items: tuple[Item, ...]) -> str:
    plain = name.removeprefix(f"{structure}_")
    known = _GROUPS.get(name) or _GROUPS.get(plain)
    return known or (_BY_FIRST.get(items[0].names[0], items[0].names[0]) if _UNNAMED in name else plain)


def _merged(base: tuple[Item, ...], other: tuple[Item, ...], around: frozenset[str]) -> tuple[Item, ...]:
    """Return what is in either, in the order of `base`; `around` are the groups of the level above.

    What a version moved, or put into a new group, stays where `base` has it, so that there is one place for
    it.
    """
    names, others = [item.names for item in base], [item.names for item in other]
    groups = frozenset(item.names[0] for item in base if item.items is not None)
    result: list[Item] = []
    for _, start, end, other_start, other_end in SequenceMatcher(None, names, others, False).get_opcodes():
        if names[start:end] == others[other_start:other_end]:
            pairs = zip(base[start:end], other[other_start:other_end], strict=True)
            result += [_united(one, another, groups) for one, another in pairs]
        else:
            result += [replace(item, least=0) for item in base[start:end]]
            new = (item for item in other[other_start:other_end] if _is_new(item, base, around))
            result += [replace(item, least=0) for item in new]
    return tuple(result)


def _is_new(item: Item, base: tuple[Item, ...], around: frozenset[str]) -> bool:
    """Whether a later version has it and nothing that begins in the same way is there, nor its name."""
    if item.items is not None and item.names[0] in around | _groups(base):
        return False
    return not _first(item) & {name for one in base for name in _first(one)}


def _first(item: Item) -> set[str]:
    """Return the segments of which one is first in the item, whatever is optional."""
    return set(item.names) if item.items is None else _first(item.items[0])


def _groups(items: Iterable[Item]) -> frozenset[str]:
    """Return the names of all groups."""
    inner = (_groups(item.items) | {item.names[0]} for item in items if item.items is not None)
    return frozenset().union(*inner)


def _united(one: Item, other: Item, around: frozenset[str]) -> Item:
    items = one.items
    if items is not None and other.items is not None:
        items = _merged(items, other.items, around)
    return Item(one.names, min(one.least, other.least), one.is_repeated or other.is_repeated, items)


def events() -> dict[str, str]:
    """Return the structure of each message code and event for which there is one, such as `ADT^A08`."""
    known = structures()
    return {event: name for event, name in sorted(_published_events().items()) if name in known}


def _published_events() -> dict[str, str]:
    with zipfile.ZipFile(str(files("resources.definitions") / "r4.zip")) as archive:
        table = json.loads(archive.read("code-systems/v2-0354.json"))
    found: dict[str, str] = {}
    for concept in table["concept"]:
        structure = concept["code"]
        code, _, own = structure.partition("_")
        for event in [*_EVENT.findall(concept.get("display") or ""), own]:
            found.setdefault(f"{code}^{event}", structure)
    return found | {event: name for name, more in _MORE_EVENTS.items() for event in more.split()}


def segments() -> dict[str, str]:
    """Return the fields of each segment in the form of the file.

    A datatype that versions do not agree on, beyond dates becoming more precise, has `?`.
    """
    fields: dict[str, dict[int, list[Any]]] = {}
    for version in VERSIONS:
        for name, definition in import_module(f"hl7apy.v{version}.segments").SEGMENTS.items():
            # hl7apy's ORO of 2.1 is no sequence, and a few others are empty.
            for member in definition[1] if definition[0] == "sequence" and len(definition) > 1 else ():
                number = member[0].partition("_")[2]
                if number.isdigit():
                    fields.setdefault(name, {}).setdefault(int(number), []).append((version, member))
    return {
        name: " ".join(_field(numbers.get(number, [])) for number in range(1, max(numbers, default=0) + 1))
        for name, numbers in sorted(fields.items())
        if re.fullmatch(r"[A-Z][A-Z0-9]{2}", name) and name != "ANY"
    }


def _field(told: list[tuple[str, Any]]) -> str:
    there = [(version, member) for version, member in told if member[2][1] != 0]
    if not there:
        return "-"
    kinds = {_PRIMITIVE.get(member[1][2], "?") for _, member in there}
    newest: str = there[-1][1][1][2]
    if len(kinds) == 1:
        datatype = newest
    elif kinds == {"DT", "DTM"}:
        datatype = "DTM"
    elif kinds == {"SI", "NM"}:
        datatype = "NM"
    else:
        datatype = f"{newest}?"
    recent = [member for version, member in there if version not in {"2_1", "2_2"}]
    is_required = bool(recent) and all(member[2][0] for member in recent) and len(there) == len(told)
    is_repeated = any(member[2][1] != 1 for _, member in there)
    return datatype + "!" * is_required + "*" * is_repeated


def codes() -> dict[str, str]:
    """Return the codes of the tables that decisions depend on, those of all versions."""
    found: dict[str, set[str]] = {}
    for version in _WITH_TABLES:
        tables = import_module(f"hl7apy.v{version}.tables").TABLES
        for number in _CODES:
            values = tables.get(f"HL7{number}", ("", ()))[1]
            found.setdefault(number, set()).update(
                value for value in values if re.fullmatch(r"[A-Z0-9]+", value)
            )
    return {
        number: " ".join(sorted(found[number] | set(_MORE_CODES.get(number, "").split())))
        for number in _CODES
    }


def _added(name: str, text: str) -> str:
    """Return a structure with what is added to it."""
    return text.replace(*_ADDED[name]) if name in _ADDED else text


def contents() -> dict[str, str]:
    """Return the text of each file by its name."""
    by_structure: dict[str, list[str]] = {}
    for event, structure in events().items():
        by_structure.setdefault(structure, []).append(event)
    tables = {
        "structures.toml": (
            "Which segments a message has: [optional] {repeated} <one|of> GROUP(...).",
            {name: _added(name, written(items)) for name, items in structures().items()},
        ),
        "events.toml": (
            "Which messages have a structure (table 0354).",
            {name: " ".join(found) for name, found in sorted(by_structure.items())},
        ),
        "segments.toml": (
            "Datatypes of fields: ! required, * repeated, ? not the same in all versions, - none.",
            segments(),
        ),
        "codes.toml": ("Codes of tables that HL7 fixes, and that decisions depend on.", codes()),
    }
    return {
        name: f"# {what}\n# Made by tests/hl7/tables.py from versions 2.1 to 2.8.2.\n"
        + "".join(f'{key} = "{value}"\n' for key, value in rows.items())
        for name, (what, rows) in tables.items()
    }


def main() -> None:
    """Write the files, or say which differ from what would be written."""
    parser = argparse.ArgumentParser(prog="python -m tests.hl7.tables", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing, and end with 1 if something differs"
    )
    is_check = parser.parse_args().check
    for name, text in contents().items():
        path = TABLES / name
        if is_check and path.read_text() != text:
            raise SystemExit(f"{path} is not what python -m tests.hl7.tables writes")
        path.write_text(text)


if __name__ == "__main__":
    main()
