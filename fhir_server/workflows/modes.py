"""Which rules a hospital has switched off, and of which it only wants to be warned."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Mode = Literal["on", "warn", "off"]
ALL = "all"


@dataclass(frozen=True, slots=True)
class Modes:
    """Ids of patterns (`W3`) and of single rules (`W3.past-start`), or `all`, by what is wanted of them."""

    off: frozenset[str] = frozenset()
    warn: frozenset[str] = frozenset()

    def of(self, rule_id: str) -> Mode:
        """Return the mode of a rule, or of a whole pattern; what is said of the rule itself comes first."""
        pattern = rule_id.partition(".")[0]
        for name in (rule_id, pattern, ALL):
            if name in self.off:
                return "off"
            if name in self.warn:
                return "warn"
        return "on"


def parse_modes(off: str | None, warn: str | None) -> Modes:
    """Return the modes that two lists with commas name."""
    return Modes(frozenset(_names(off)), frozenset(_names(warn)))


def _names(text: str | None) -> Iterable[str]:
    return (name.strip() for name in (text or "").split(",") if name.strip())
