"""The probabilities by which patients are matched, read from `weights.toml` or a hospital's own file.

https://doi.org/10.1080/01621459.1969.10501049
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fhir_server.matching.comparison import LEVELS

GRADES = ("certain", "probable", "possible")
"""The grades from the best on; what is below is `certainly-not`."""

_TOLERANCE = 0.005


@dataclass(frozen=True, slots=True)
class Weights:
    """What each finding counts: `of` has log2(m / u) by field and level, `prior` the weight of none at all.

    `grades` has the least probability of each grade; `caps` the best grade that a finding allows.
    """

    prior: float
    of: Mapping[str, Mapping[str, float]]
    grades: Mapping[str, float]
    caps: Mapping[tuple[str, str], str]


@cache
def load_weights(path: Path | None = None) -> Weights:
    """Return the table in the file at `path`, or our own; ValueError, with the reason, if it is none."""
    source = path or Path(__file__).with_name("weights.toml")
    try:
        table = tomllib.loads(source.read_text("utf-8"))
        return _weights(table)
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as failure:
        reason = f"there is no {failure}" if isinstance(failure, KeyError) else str(failure)
        raise ValueError(f"{source.name} is no table of matching probabilities: {reason}") from failure


def _weights(table: Mapping[str, Any]) -> Weights:
    fields = {name: _field(name, table["fields"][name]) for name in LEVELS}
    grades = {grade: _probability(grade, table["grades"][grade]) for grade in GRADES}
    if not grades["certain"] > grades["probable"] > grades["possible"]:
        raise ValueError("the grades are certain, probable and possible, each above the next")
    caps = {}
    for field, levels in table.get("caps", {}).items():
        for level, grade in levels.items():
            if level not in LEVELS.get(field, ()) or grade not in GRADES:
                raise ValueError(f"the cap {field}.{level} is not a finding with a grade")
            caps[field, level] = grade
    return Weights(log_odds(_probability("prior", table["prior"])), fields, grades, caps)


def _field(name: str, levels: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    if set(levels) != set(LEVELS[name]):
        raise ValueError(f"the findings of {name} are {', '.join(LEVELS[name])}")
    for kind in ("m", "u"):
        values = [_probability(f"{name}.{level}.{kind}", levels[level][kind]) for level in levels]
        if abs(sum(values) - 1) > _TOLERANCE:
            raise ValueError(f"the {kind} of {name} do not add up to 1")
    return {level: math.log2(pair["m"] / pair["u"]) for level, pair in levels.items()}


def _probability(name: str, value: Any) -> float:
    if not isinstance(value, int | float) or not 0 < value < 1:
        raise ValueError(f"{name} is a number between 0 and 1")
    return float(value)


def log_odds(probability: float) -> float:
    """Return the weight that stands for a probability."""
    return math.log2(probability / (1 - probability))
