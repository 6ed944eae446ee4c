"""The tables of codes by which FHIR becomes HL7 v2: `tables.toml`, published in docs/hl7v2/outbound.md."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class Table:
    """A table of codes: FHIR's (the address of their vocabulary) to those of a table of HL7 v2.

    `keeps_others` says that a code which is not listed goes as it is; otherwise it is left out.
    """

    name: str
    fhir: str
    v2: str
    codes: Mapping[str, str]
    keeps_others: bool = False

    def of(self, code: str | None) -> str:
        """Return the code of HL7 v2 for one of FHIR, "" if there is none."""
        if not code:
            return ""
        return self.codes.get(code, code if self.keeps_others else "")


@cache
def tables() -> Mapping[str, Table]:
    """Return all tables by their names."""
    text = resources.files(__package__).joinpath("tables.toml").read_text(encoding="utf-8")
    return {
        name: Table(name, one["fhir"], one["v2"], one["codes"], one.get("others") == "kept")
        for name, one in tomllib.loads(text).items()
    }


def code(table: str, value: str | None) -> str:
    """Return the code that a table has for one of FHIR, "" if it has none."""
    return tables()[table].of(value)


def structure(message: str) -> str:
    """Return the structure (MSH-9.3) of a message such as `ADT^A08`: ADT_A01. HL7 v2.5.1 table 0354."""
    return tables()["structure"].codes.get(message, message.replace("^", "_"))
