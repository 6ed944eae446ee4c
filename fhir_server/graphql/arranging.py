"""From what was found to the JSON of the answer, in the form that the directives ask for.

An element that is not there is not in the answer either, as in FHIR's JSON and in all examples of the
specification. https://hl7.org/fhir/R4/graphql.html#flattening
"""

from dataclasses import dataclass, field
from typing import Any

from graphql import get_named_type

from fhir_server.graphql.results import Chosen, Found
from resources.operation_outcome import UnprocessableContent, error


@dataclass(slots=True)
class _Entry:
    """One name of an object of the answer."""

    found: Found
    is_list: bool
    is_collated: bool
    values: list[Any] = field(default_factory=list)


def arranged(chosen: Chosen) -> dict[str, Any]:
    """Return the JSON object for what was chosen.

    Raises UnprocessableContent where `@singleton` meets several values, or `@flatten` values that do not go
    together.
    """
    entries: dict[str, _Entry] = {}
    _collect(chosen, entries, "", in_list=False, is_collated=False)
    return {name: _value(name, entry) for name, entry in entries.items()}


def _collect(
    chosen: Chosen, entries: dict[str, _Entry], suffix: str, *, in_list: bool, is_collated: bool
) -> None:
    for found in chosen.fields:
        shaping = found.pick.shaping
        if shaping.is_flat:
            for value, own in zip(found.values, found.suffixes, strict=True):
                if isinstance(value, Chosen):
                    inside = in_list or found.is_list
                    _collect(value, entries, suffix + own, in_list=inside, is_collated=True)
            continue
        is_list = (in_list or found.is_list) and not shaping.is_single
        if found.is_shown and is_list and not found.values:
            _entry(entries, found.pick.key + suffix, found, is_list=is_list, is_collated=is_collated)
        for value, own in zip(found.values, found.suffixes, strict=True):
            name = found.pick.key + suffix + own
            entry = _entry(entries, name, found, is_list=is_list, is_collated=is_collated)
            entry.values.append(arranged(value) if isinstance(value, Chosen) else value)


def _entry(
    entries: dict[str, _Entry], name: str, found: Found, *, is_list: bool, is_collated: bool
) -> _Entry:
    entry = entries.setdefault(name, _Entry(found, is_list, is_collated))
    if entry.found.pick is not found.pick and not _go_together(entry, found, is_collated=is_collated):
        message = "Values of different types or fields come together under one name: give one an alias"
        raise UnprocessableContent(error("processing", message))
    return entry


def _go_together(entry: _Entry, found: Found, *, is_collated: bool) -> bool:
    """Tell whether the values of another field may join those of an entry.

    "all the collated children must have the same FHIR type. The server SHALL return an error if they don't"
    """
    same_type = get_named_type(entry.found.pick.field.type) is get_named_type(found.pick.field.type)
    return (entry.is_collated or is_collated) and same_type


def _value(name: str, entry: _Entry) -> Any:
    if entry.is_list:
        # Collated, the gaps for elements that have only extensions have lost their place.
        return [value for value in entry.values if value is not None] if entry.is_collated else entry.values
    if len(entry.values) > 1:
        message = f"'{name[:100]}' is a single value, and there are several"
        raise UnprocessableContent(error("processing", message))
    return entry.values[0]
