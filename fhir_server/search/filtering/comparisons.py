"""The operators of `_filter` on each type of parameter, as conditions on documents.

Many ask what a search parameter with a prefix or modifier asks. "An item in the set has an unequal value" is
met by a resource that has the value too, if it has another one beside it.
https://hl7.org/fhir/R4/search_filter.html#ops
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fhir_server.search.asked import Condition, Field, either, starting_with
from fhir_server.search.conditions import condition
from fhir_server.search.escaping import split
from fhir_server.search.fields import fields
from fhir_server.search.intervals import interval
from fhir_server.search.scope import Scope
from fhir_server.search.string import normalised
from resources.operation_outcome import InvalidSearch, error
from resources.search_parameters import SearchParameter

_LONGEST_PART = 1_000
_ORDERED = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one parameter is compared with."""

    parameter: SearchParameter
    operator: str
    value: str
    scope: Scope

    def refusal(self, what_is_right: str) -> InvalidSearch:
        """Return the error that says how the comparison would be right."""
        return InvalidSearch(error("value", f"_filter: {self.parameter.code}: {what_is_right}"))

    def searched(self, modifier: str = "", prefix: str = "") -> Condition:
        """Return what the search parameter itself asks, with a modifier or a prefix."""
        parameter = self.parameter
        name = f"{parameter.code}:{modifier}" if modifier else parameter.code
        text = prefix + re.sub(r"(?<!\\),", r"\\,", self.value)
        return condition(parameter.resource_type, name, (text,), self.scope.base_url, self.scope.now)

    def on_each_field(self, test: Callable[[Field], Condition]) -> Condition:
        """Return the condition that `test` holds for one of the parameter's fields."""
        return either(test(field) for field in fields(self.parameter.resource_type)[self.parameter.code])


def compared(comparison: Comparison) -> Condition:
    """Return the condition that a comparison holds; raise InvalidSearch if it makes no sense."""
    operator, kind = comparison.operator, comparison.parameter.type
    if operator == "pr":
        if comparison.value not in ("true", "false"):
            raise comparison.refusal("pr is followed by true or false")
        return _present(comparison)
    known = _OPERATORS.get(kind, {})
    if operator not in known:
        listed = ", ".join([*known, "pr"])
        raise comparison.refusal(f"a parameter of type {kind} is compared by {listed}")
    return known[operator](comparison)


def _present(comparison: Comparison) -> Condition:
    wanted = "false" if comparison.value == "true" else "true"
    parameter, scope = comparison.parameter, comparison.scope
    name = f"{parameter.code}:missing"
    return condition(parameter.resource_type, name, (wanted,), scope.base_url, scope.now)


def _equal(comparison: Comparison) -> Condition:
    return comparison.searched()


def _with_prefix(comparison: Comparison) -> Condition:
    return comparison.searched(prefix=comparison.operator)


def _overlapping(comparison: Comparison) -> Condition:
    """Return the condition that an interval of time and the one of the value have a moment in common."""
    try:
        start, end = interval(comparison.value.replace(" ", "+"))
    except ValueError:
        raise comparison.refusal("a date is YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ") from None

    def test(field: Field) -> Condition:
        if not field.path.startswith("search."):
            return {field.path: {"$gte": start, "$lt": end}}
        bounds: Condition = {"lo": {"$lt": end}, "hi": {"$gt": start}}
        if field.is_bare:
            return {f"{field.path}.{key}": limit for key, limit in bounds.items()}
        return {field.path: {"$elemMatch": bounds}}

    return comparison.on_each_field(test)


def _text_test(comparison: Comparison) -> Condition:
    """Return the test of a folded string, such as `{"$gt": "smith"}`."""
    wanted = normalised(comparison.value)
    if not wanted or len(wanted) > _LONGEST_PART:
        raise comparison.refusal(f"a string is more than spaces, and {_LONGEST_PART} characters at most")
    return _folded_test(comparison.operator, wanted)


def _folded_test(operator: str, wanted: str) -> Condition:
    match operator:
        case "eq":
            return {"$eq": wanted}
        case "co":
            return {"$regex": re.escape(wanted)}
        case "sw":
            return starting_with(wanted)
        case "ew":
            return {"$regex": f"{re.escape(wanted)}$"}
        case _:
            return {{"ne": "$ne", "gt": "$gt", "lt": "$lt", "ge": "$gte", "le": "$lte"}[operator]: wanted}


def _on_strings(comparison: Comparison) -> Condition:
    test = _text_test(comparison)
    return comparison.on_each_field(lambda field: _of_one_item(field, test))


def _on_uris(comparison: Comparison) -> Condition:
    if not comparison.value or len(comparison.value) > _LONGEST_PART:
        raise comparison.refusal(f"a uri has {_LONGEST_PART} characters at most")
    test = _folded_test(comparison.operator, comparison.value)
    return comparison.on_each_field(lambda field: _of_one_item(field, test))


def _of_one_item(field: Field, test: Condition) -> Condition:
    if field.is_bare:
        return {field.path: {**test, "$exists": True}} if "$ne" in test else {field.path: test}
    return {field.path: {"$elemMatch": test}}


def _unequal(comparison: Comparison) -> Condition:
    """Return the condition that one of the values is another one."""
    equal = comparison.searched()
    wanted: list[str] = []
    for alternative in equal.get("$or", [equal]):
        test = next(iter(alternative.values()))
        if isinstance(test, str):
            wanted.append(test)
        elif isinstance(test, dict) and test.keys() == {"$in"}:
            wanted += test["$in"]
        else:
            raise comparison.refusal("ne is followed by one whole value")

    def test_of(field: Field) -> Condition:
        if field.is_bare:
            return {field.path: {"$exists": True, "$nin": [*wanted, None]}}
        return {field.path: {"$elemMatch": {"$nin": wanted, **_shape(comparison)}}}

    return comparison.on_each_field(test_of)


def _shape(comparison: Comparison) -> Condition:
    """Return the test that an index value of a token is of the form that the value was compared in.

    Each coding stands in the index as `system|code` and as `code`, in which a pipe is escaped.
    """
    if comparison.parameter.type != "token":
        return {}
    has_system = len(split(comparison.value, "|")) > 1
    return {"$regex": r"(?<!\\)\|" if has_system else r"^(?!.*(?<!\\)\|)"}


def _modified(modifier: str) -> Callable[[Comparison], Condition]:
    return lambda comparison: comparison.searched(modifier)


_SUBSUMPTION: Mapping[str, Callable[[Comparison], Condition]] = {
    "ss": _modified("below"),
    "sb": _modified("above"),
}
_OPERATORS: Mapping[str, Mapping[str, Callable[[Comparison], Condition]]] = {
    "string": dict.fromkeys(("eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le"), _on_strings),
    "uri": {**dict.fromkeys(("eq", "ne", "co", "sw", "ew"), _on_uris), **_SUBSUMPTION},
    "token": {
        "eq": _equal,
        "ne": _unequal,
        **_SUBSUMPTION,
        "in": _modified("in"),
        "ni": _modified("not-in"),
    },
    "reference": {"eq": _equal, "ne": _unequal, "re": _equal},
    "number": dict.fromkeys(_ORDERED, _with_prefix),
    "quantity": dict.fromkeys(_ORDERED, _with_prefix),
    "date": {**dict.fromkeys(_ORDERED, _with_prefix), "po": _overlapping},
    "composite": {"eq": _equal},
}
