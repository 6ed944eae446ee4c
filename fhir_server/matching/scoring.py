"""From an agreement vector to a score: the sum of weights, the probability that it stands for, and the grade.

A score says what it is made of, so that a person can see why two patients were taken for one.
https://doi.org/10.1080/01621459.1969.10501049, https://hl7.org/fhir/R4/valueset-match-grade.html
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fhir_server.matching.weights import GRADES, Weights, log_odds

# Who lives together shares all of these at once: of several that agree only the one that says most counts.
_OF_HOUSEHOLD = ("phone", "email", "line", "postalCode")
# Beyond this a probability is 0 or 1 in any case.
_MOST_WEIGHT = 60.0


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one finding adds to the weight, or, where `level` is `cap`, what it takes from it."""

    field: str
    level: str
    weight: float


@dataclass(frozen=True, slots=True)
class Score:
    """How likely two patients are one person; `weight` is the sum of the contributions and of the prior."""

    probability: float
    grade: str
    weight: float
    contributions: tuple[Contribution, ...]


def score(agreement: Mapping[str, str], weights: Weights) -> Score:
    """Return the score of an agreement vector, as `compare` gives it."""
    contributions = [
        Contribution(field, level, weights.of[field][level])
        for field, level in _independent(agreement, weights)
    ]
    total = weights.prior + sum(one.weight for one in contributions)
    for (field, level), grade in weights.caps.items():
        most = _most(grade, weights)
        if agreement.get(field) == level and total > most:
            contributions.append(Contribution(field, "cap", most - total))
            total = most
    probability = _probability(total)
    return Score(probability, _grade(probability, weights), total, tuple(contributions))


def _independent(agreement: Mapping[str, str], weights: Weights) -> list[tuple[str, str]]:
    """Return the findings that count: all but those of a household that say less than another of it."""
    shared = {
        field: weights.of[field][level]
        for field, level in agreement.items()
        if field in _OF_HOUSEHOLD and weights.of[field][level] > 0
    }
    best = max(shared, key=lambda field: shared[field], default=None)
    return [(field, level) for field, level in agreement.items() if field not in shared or field == best]


def _most(grade: str, weights: Weights) -> float:
    """Return the greatest weight that still has `grade`."""
    index = GRADES.index(grade)
    # A little below the least of the next better grade.
    return log_odds(weights.grades[GRADES[index - 1]]) - 0.01 if index else _MOST_WEIGHT


def _probability(weight: float) -> float:
    bounded = max(-_MOST_WEIGHT, min(weight, _MOST_WEIGHT))
    return 1 / (1 + 2**-bounded)


def _grade(probability: float, weights: Weights) -> str:
    return next((grade for grade in GRADES if probability >= weights.grades[grade]), "certainly-not")
