"""Codes: CWE, CE, CNE, CF, IS and ID as code, Coding and CodeableConcept.

What the tables do not know is kept as it came; where FHIR takes only its own codes, in the extension
alternate-codes, with a warning, or the message is refused: as the channel says.
https://hl7.org/fhir/R4/datatypes.html#CodeableConcept, https://hl7.org/fhir/R4/extension-alternate-codes.html
"""

from typing import Any

from adapters.to_fhir.rules import Convert
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.tables.codes import V2, Target, system_of, table, translate
from adapters.to_fhir.value import Value
from hl7.errors import TABLE_VALUE_NOT_FOUND

ALTERNATE = "http://hl7.org/fhir/StructureDefinition/alternate-codes"
Coding = dict[str, Any]

# The triplets of a CWE: code, text, system, and where the version of the system stands.
_TRIPLETS = ((1, 2, 3, 7), (4, 5, 6, 8), (10, 11, 12, 13))


def clean(code: str) -> str:
    """Return a code as FHIR writes it: no space at its ends, and single ones within."""
    return " ".join(code.split())


def codings(value: Value, name: str = "", number: str = "") -> list[Coding]:
    """Return the codings of a CWE or CE: by the concept map `name`, and as they came.

    `number` is the v2 table of codes that name no system.
    """
    mapped, number = _table(name, number)
    found: list[Coding] = []
    parts = len(value.parts)
    for code_at, text_at, system_at, version_at in _TRIPLETS:
        if code_at > parts:
            break
        code = clean(value[code_at])
        if not code:
            continue
        told = value[system_at] if system_at <= parts else ""
        system = system_of(told) if told else V2 + number if number else ""
        target = mapped.get(code) if mapped and system in ("", V2 + number) else None
        display = value[text_at] if text_at <= parts else ""
        version = value[version_at] if version_at <= parts else ""
        if target is not None:
            found.append(_coding(target.code, target.system, target.display))
        own = _coding(code, system, display, version)
        if target is None or (target.system, target.code) != (system, code):
            found.append(own)
    return found


def _table(name: str, number: str) -> tuple[Any, str]:
    if not name:
        return None, number
    known, rows = table(name)
    return rows, number or known


def _coding(code: str, system: str, display: str = "", version: str = "") -> Coding:
    made = {"system": system, "version": version, "code": code, "display": display}
    return {key: text for key, text in made.items() if text}


def concept(name: str = "", number: str = "") -> Convert:
    """Return the converter to a CodeableConcept, by the concept map `name`, for codes of v2 table `number`."""

    def convert(value: Value, scope: Scope) -> dict[str, Any] | None:
        found = codings(value, name, number)
        made: dict[str, Any] = {"coding": found} if found else {}
        parts = len(value.parts)
        told = (value[9] if parts >= 9 else "") or (value[2] if not found else "")
        if told:
            made["text"] = told
        if found and scope.steps is not None:
            scope.note("coding.0.code", "CWE[CodeableConcept] 1")
        return made or None

    return convert


def coding(name: str = "", number: str = "") -> Convert:
    """Return the converter to the first Coding."""

    def convert(value: Value, _scope: Scope) -> Coding | None:
        return next(iter(codings(value, name, number)), None)

    return convert


def code(name: str, element: str, *, fallback: str = "", within: frozenset[str] | None = None) -> Convert:
    """Return the converter to the elements with a code of FHIR's own, by the concept map `name`.

    What is made is `{element: code}`: with a code that the map has not, the extension alternate-codes
    instead, and `fallback` where FHIR wants a code. `within` are the codes that the element takes.
    """

    def convert(value: Value, scope: Scope) -> dict[str, Any] | None:
        original = clean(value[1] or value[4])
        if not original:
            return None
        target = translate(name, original)
        if target is not None and (within is None or target.code in within):
            return {element: target.code}
        _refuse_unknown(scope)
        kept = {"url": ALTERNATE, "valueCodeableConcept": {"coding": codings(value, "", table(name)[0])}}
        made: dict[str, Any] = {f"_{element}": {"extension": [kept]}}
        return made | ({element: fallback} if fallback else {})

    return convert


def _refuse_unknown(scope: Scope) -> None:
    """Refuse the message for a code that is not in the table, or warn, as the channel says."""
    if scope.channel.unknown_code == "refuse":
        raise scope.error("a code that is not in the table", TABLE_VALUE_NOT_FOUND)
    scope.warn("a code that is not in the table; it was kept beside")


def one_of(name: str, value: Value, scope: Scope) -> Target | None:
    """Return what a code becomes; warn, or refuse the message, if the map has it not."""
    original = clean(value[1] or value[4])
    target = translate(name, original) if original else None
    if original and target is None:
        _refuse_unknown(scope)
    return target


def simple(name: str) -> Convert:
    """Return the converter to a code as text; None, with a warning, for one that the map has not."""

    def convert(value: Value, scope: Scope) -> str | None:
        target = one_of(name, value, scope)
        return None if target is None else target.code

    return convert


def boolean(value: Value, _scope: Scope) -> bool | None:
    """Return the boolean of table 0136, None for what is neither yes nor no."""
    return {
        "Y": True,
        "YES": True,
        "T": True,
        "1": True,
        "N": False,
        "NO": False,
        "F": False,
        "0": False,
    }.get(value[1].upper())


def as_text(value: Value, _scope: Scope) -> str | None:
    """Return a CWE as text: what stands for it in words (CWE[string])."""
    return value[9] or value[2] or value[1] or None
