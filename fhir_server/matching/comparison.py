"""Two patients compared field by field: the agreement vector.

Names and addresses are compared by the similarity of Jaro and Winkler, whose measure was made for record
linkage: W. E. Winkler, String Comparator Metrics and Enhanced Decision Rules in the Fellegi-Sunter Model of
Record Linkage (1990), https://files.eric.ed.gov/fulltext/ED325505.pdf
"""

from collections.abc import Iterable, Mapping
from itertools import product

from rapidfuzz.distance import OSA, JaroWinkler

from fhir_server.matching.demographics import Demographics, Name

LEVELS: Mapping[str, tuple[str, ...]] = {
    "family": ("exact", "close", "differs"),
    "given": ("exact", "close", "differs"),
    "birthDate": ("exact", "transposed", "one-part", "differs"),
    "birthYear": ("exact", "differs"),
    "gender": ("exact", "differs"),
    "identifier": ("exact", "close", "differs"),
    "phone": ("exact", "differs"),
    "email": ("exact", "differs"),
    "line": ("exact", "close", "differs"),
    "postalCode": ("exact", "differs"),
}
"""What may be found of each field, from the best on."""

# Above these two names or lines are close; below, most pairs of different persons lie.
_CLOSE_NAME = 0.88
_CLOSE_LINE = 0.92
# Of a shorter name one other letter makes another name: Tim and Tom.
_SHORTEST_CLOSE_NAME = 4
# Of a shorter number one wrong digit may be another number.
_SHORTEST_CLOSE_IDENTIFIER = 6


def compare(one: Demographics, other: Demographics) -> dict[str, str]:
    """Return what is found of each field that both have, by the names of `LEVELS`."""
    found = {
        **_names(one.names, other.names),
        **_birth(one.birth_date, other.birth_date),
        "gender": _equal(one.gender, other.gender),
        "identifier": _identifiers(one.identifiers, other.identifiers),
        "phone": _common(one.phones, other.phones),
        "email": _common(one.emails, other.emails),
        "line": _best("line", (_line(a, b) for a, b in product(one.lines, other.lines))),
        "postalCode": _common(one.postal_codes, other.postal_codes),
    }
    return {field: level for field, level in found.items() if level is not None}


def _best(field: str, levels: Iterable[str | None]) -> str | None:
    return min((level for level in levels if level), key=LEVELS[field].index, default=None)


def _equal(one: str, other: str) -> str | None:
    return ("exact" if one == other else "differs") if one and other else None


def _common(one: frozenset[str], other: frozenset[str]) -> str | None:
    return ("differs" if one.isdisjoint(other) else "exact") if one and other else None


def _names(one: tuple[Name, ...], other: tuple[Name, ...]) -> dict[str, str | None]:
    """Return what is found of the two names that are most alike; by marriage or habit people have several."""
    pairs = [(_family(a.family, b.family), _given(a.given, b.given)) for a, b in product(one, other)]
    pairs += [("close", "close") for a, b in product(one, other) if _is_swapped(a, b)]
    if not pairs:
        return {"family": None, "given": None}
    family, given = min(pairs, key=lambda pair: _rank("family", pair[0]) + _rank("given", pair[1]))
    return {"family": family, "given": given}


def _rank(field: str, level: str | None) -> float:
    # No given name in one of the two is better than different ones, and worse than close ones.
    return LEVELS[field].index(level) if level else 1.5


def _family(one: str, other: str) -> str | None:
    if not one or not other:
        return None
    if one == other:
        return "exact"
    # Of a double name people use one part, or the other.
    shares = not set(one.split()).isdisjoint(other.split())
    return "close" if shares or _is_alike(one, other) else "differs"


def _given(one: tuple[str, ...], other: tuple[str, ...]) -> str | None:
    if not one or not other:
        return None
    if one[0] == other[0]:
        return "exact"
    pairs = product(one, other)
    return "close" if any(a == b or _is_initial(a, b) or _is_alike(a, b) for a, b in pairs) else "differs"


def _is_alike(one: str, other: str) -> bool:
    if JaroWinkler.similarity(one, other) >= _CLOSE_NAME:
        return True
    is_long = min(len(one), len(other)) >= _SHORTEST_CLOSE_NAME
    return is_long and OSA.distance(one, other, score_cutoff=1) == 1


def _is_initial(one: str, other: str) -> bool:
    return one[:1] == other[:1] and min(len(one), len(other)) == 1


def _is_swapped(one: Name, other: Name) -> bool:
    return bool(one.family and other.family) and one.family in other.given and other.family in one.given


def _birth(one: str, other: str) -> dict[str, str | None]:
    if not one or not other:
        return {}
    parts, others = one.split("-"), other.split("-")
    if len(parts) < 3 or len(others) < 3:
        return {"birthYear": _equal(parts[0], others[0])}
    same = sum(a == b for a, b in zip(parts, others, strict=True))
    if same == 3:
        return {"birthDate": "exact"}
    if [parts[0], parts[2], parts[1]] == others:
        return {"birthDate": "transposed"}
    return {"birthDate": "one-part" if same == 2 else "differs"}


def _identifiers(one: tuple[tuple[str, str], ...], other: tuple[tuple[str, str], ...]) -> str | None:
    pairs = [(a, b) for (system, a), (same, b) in product(one, other) if system == same]
    return _best("identifier", (_identifier(a, b) for a, b in pairs))


def _identifier(one: str, other: str) -> str:
    if one == other:
        return "exact"
    is_long = min(len(one), len(other)) >= _SHORTEST_CLOSE_IDENTIFIER
    return "close" if is_long and OSA.distance(one, other, score_cutoff=1) == 1 else "differs"


def _line(one: str, other: str) -> str:
    if one == other:
        return "exact"
    # Another number in the same street is another house.
    numbers = [sorted(word for word in line.split() if word[0].isdigit()) for line in (one, other)]
    is_alike = JaroWinkler.similarity(one, other) >= _CLOSE_LINE and numbers[0] == numbers[1]
    return "close" if is_alike else "differs"
