"""Generated resources: a few good ones, with up to three changes anywhere in them."""

import copy
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tests.fhir_server.faults.skeletons import SKELETONS

Json = Any
Place = tuple[Any, Any]

# What something on the way gives a meaning to: JSON, FHIR, Unicode, MongoDB, URLs.
_SPECIAL = ["", " ", "a", "true", "1", "2020-02-30", "2020-01-01", "http://example.org", "urn:uuid:1", "#a"]
_SPECIAL += [
    "Patient/1",
    "Patient?identifier=a|b",
    "e\u0301",
    "\U0001f600",
    "\u202e",
    "\x00",
    "$where",
    "a.b",
    "%00",
]
TEXTS = st.one_of(
    st.text(max_size=20),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20),
    st.sampled_from(_SPECIAL),
)
DECIMALS = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9),
    st.sampled_from(["0.0", "-0.00", "1.000", "1E+3", "1E-7", "1e6111", "12345678901234567890.5", "-0"]).map(
        Decimal
    ),
    st.sampled_from(["1e9999", "1" * 40, "0." + "1" * 40]).map(Decimal),
)
NUMBERS = st.one_of(st.integers(-(2**33), 2**33), st.just(2**63), st.just(Decimal(10**25)), DECIMALS)
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=8,
)
EXTENSION = st.fixed_dictionaries(
    {"url": st.just("urn:x"), "valueDecimal": DECIMALS}
) | st.fixed_dictionaries({"url": st.just("urn:x"), "valueString": TEXTS})
Draw = st.DrawFn


def places(value: Json) -> list[Place]:
    """Return every place in `value` where something stands: the object or array, and its key or index."""
    found: list[Place] = []
    pending = [value]
    while pending:
        holder = pending.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                pending.append(holder[key])
    return found


def _replace(draw: Draw, holder: Json, key: Any) -> None:
    holder[key] = draw(VALUES)


def _alter(draw: Draw, holder: Json, key: Any) -> None:
    """Put another value of the same JSON type."""
    value = holder[key]
    if isinstance(value, bool):
        holder[key] = not value
    elif isinstance(value, str):
        holder[key] = draw(TEXTS)
    elif isinstance(value, int | Decimal):
        holder[key] = draw(NUMBERS)


def _remove(draw: Draw, holder: Json, key: Any) -> None:
    del holder[key]


def _repeat(draw: Draw, holder: Json, key: Any) -> None:
    holder[key] = [copy.deepcopy(holder[key]), holder[key]]


def _add_extension(draw: Draw, holder: Json, key: Any) -> None:
    """Add an extension to the element: in the object, or in the twin of a primitive."""
    value = holder[key]
    if isinstance(value, dict):
        value["extension"] = [draw(EXTENSION)]
    elif isinstance(holder, dict):
        holder[f"_{key}"] = {"extension": [draw(EXTENSION)]}


def _add_property(draw: Draw, holder: Json, key: Any) -> None:
    value = holder[key]
    if isinstance(value, dict):
        value[draw(TEXTS)] = draw(VALUES)


def _add_null(draw: Draw, holder: Json, key: Any) -> None:
    """Add a null to an array of primitives, with an extension in its stead."""
    value = holder[key]
    if isinstance(value, list) and isinstance(holder, dict) and all(isinstance(item, str) for item in value):
        holder[f"_{key}"] = [*[None] * len(value), {"extension": [draw(EXTENSION)]}]
        value.append(None)


_MUTATIONS: list[Callable[[Draw, Json, Any], None]] = [
    _replace,
    _alter,
    _alter,
    _alter,
    _remove,
    _repeat,
    _add_extension,
    _add_extension,
    _add_property,
    _add_null,
    _add_null,
]


@st.composite
def resources(draw: Draw, among: Sequence[dict[str, Json]] = SKELETONS) -> dict[str, Json]:
    """One of a few resources, as it should be or with up to three changes somewhere in it."""
    resource = copy.deepcopy(draw(st.sampled_from(among)))
    for _ in range(draw(st.integers(0, 3))):
        candidates = places(resource)
        if candidates:
            holder, key = candidates[draw(st.integers(0, len(candidates) - 1))]
            draw(st.sampled_from(_MUTATIONS))(draw, holder, key)
    return resource


def type_of(resource: dict[str, Json]) -> str:
    """Return the type that a resource says it has, or another one if that cannot stand in an address."""
    name = resource.get("resourceType")
    return name if isinstance(name, str) and name.isascii() and name.isalpha() else "Patient"
