"""What is known of medicines: a table of ingredients, classes and interactions that a hospital may replace.

A code that is in the table counts, and so does a name that stands as a word in a text: a warning too many can
be overridden by a doctor, one that is missing cannot. https://hl7.org/fhir/R4/medicationrequest.html
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fhir_server.workflows.tables import read_table

Resource = Mapping[str, Any]

_SEVERITIES = ("high", "moderate", "low")


@dataclass(frozen=True, slots=True)
class Known:
    """An ingredient, or a class of them."""

    names: frozenset[str]
    codes: frozenset[str]
    beginnings: tuple[str, ...]
    classes: frozenset[str] = frozenset()
    is_cross: bool = False

    def is_in(self, codes: Iterable[str], text: str) -> bool:
        """Tell whether something with `codes` (`system|code`) and a text in small letters is of this."""
        if any(code in self.codes or code.startswith(self.beginnings) for code in codes):
            return True
        return any(re.search(rf"\b{re.escape(name)}\b", text) for name in self.names)


@dataclass(frozen=True, slots=True)
class Harm:
    """What two ingredients or classes do together: `severity` is high, moderate or low."""

    between: tuple[str, str]
    severity: str
    says: str


@dataclass(frozen=True, slots=True)
class Substance:
    """What a medicine has in it, or an allergy is to: ingredients, classes, and codes as they stand."""

    ingredients: frozenset[str]
    classes: frozenset[str]
    codes: frozenset[str]

    @property
    def is_known(self) -> bool:
        """Whether the table has it."""
        return bool(self.ingredients or self.classes)


@dataclass(frozen=True, slots=True)
class Medicines:
    """The table."""

    ingredients: Mapping[str, Known]
    classes: Mapping[str, Known]
    interactions: tuple[Harm, ...]

    def substance(self, *concepts: Resource) -> Substance:
        """Return what CodeableConcepts name."""
        codings = [one for concept in concepts for one in concept.get("coding", ())]
        codes = frozenset(f"{one.get('system', '')}|{one['code']}" for one in codings if "code" in one)
        texts = [*(one.get("display", "") for one in codings), *(one.get("text", "") for one in concepts)]
        text = " ; ".join(texts).lower()
        found = {name for name, one in self.ingredients.items() if one.is_in(codes, text)}
        of = {name for ingredient in found for name in self.ingredients[ingredient].classes}
        of |= {name for name, one in self.classes.items() if one.is_in(codes, text)}
        return Substance(frozenset(found), frozenset(of), codes)

    def is_allergic(self, allergy: Substance, medicine: Substance) -> bool:
        """Tell whether somebody with an allergy is taken to be allergic to a medicine."""
        if allergy.ingredients & medicine.ingredients or allergy.codes & medicine.codes:
            return True
        common = allergy.classes & medicine.classes
        # An allergy to a class is one to all that is in it.
        return any(not allergy.ingredients or self.classes[name].is_cross for name in common)

    def are_same(self, one: Substance, other: Substance) -> bool:
        """Tell whether two medicines have an ingredient in common."""
        return bool(one.ingredients & other.ingredients or one.codes & other.codes)

    def harm(self, one: Substance, other: Substance) -> Harm | None:
        """Return the gravest that two medicines do together, None if nothing is known."""
        here, there = one.ingredients | one.classes, other.ingredients | other.classes
        found = [
            harm
            for harm in self.interactions
            if (harm.between[0] in here and harm.between[1] in there)
            or (harm.between[1] in here and harm.between[0] in there)
        ]
        return min(found, key=lambda harm: _SEVERITIES.index(harm.severity), default=None)


@cache
def medicines(path: Path | None) -> Medicines:
    """Return the table in the file at `path`, for None the one that comes with the server.

    Raises OSError, ValueError (of which TOMLDecodeError is one) or LookupError for what is no such table.
    """
    table = read_table(path, __package__, "medicines.toml")
    harms = (_harm(one) for one in table.get("interactions", ()))
    return Medicines(
        {name: _known(one) for name, one in table.get("ingredients", {}).items()},
        {name: _known(one) for name, one in table.get("classes", {}).items()},
        tuple(harms),
    )


def _harm(row: Mapping[str, Any]) -> Harm:
    if row["severity"] not in _SEVERITIES:
        raise ValueError(f"severity is one of {', '.join(_SEVERITIES)}")
    first, second = row["between"]
    return Harm((first, second), row["severity"], row["says"])


def _known(row: Mapping[str, Any]) -> Known:
    codes = row.get("codes", ())
    return Known(
        frozenset(name.lower() for name in row.get("names", ())),
        frozenset(code for code in codes if not code.endswith("*")),
        tuple(code[:-1] for code in codes if code.endswith("*")),
        frozenset(row.get("classes", ())),
        bool(row.get("cross", False)),
    )
