"""The rules of a mapping as data, and the interpreter that compiles them once and carries them out.

A rule takes a field (`PID-5`) or a component (`XPN.2`) to an element of what is made. Its target is the path
of that element in JSON: `name[]` adds to a list, `contact.0` is one member of a list. `row` is the row of
HL7's guide that says so, or `ours` where the guide is silent (docs/hl7v2/mapping.md).
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.to_fhir.scope import Scope
from adapters.to_fhir.value import NULL, Value
from hl7.message import Segment

Convert = Callable[[Value, Scope], Any]
"""Makes an element of a value; None if the value says nothing that FHIR has."""

When = Callable[[Segment, Scope], bool]
Within = Callable[[Value], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: from `source` to `target` by `convert`, where `when` holds (said in words by `condition`).

    `group` is what the members of a list that this rule adds have in common, as telephone numbers at home
    have: they are what a `""` deletes.
    """

    source: str
    target: str
    convert: Convert
    row: str
    when: When | None = None
    condition: str = ""
    group: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """One row of a datatype: from a component (`XPN.2`) or subcomponent (`XPN.1.1`) to an element."""

    source: str
    target: str
    convert: Convert
    row: str = ""
    when: Within | None = None
    condition: str = ""


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A rule, its target taken apart: `where` is that of the element, `is_list` whether it is a member."""

    convert: Convert
    path: tuple[str, ...]
    is_list: bool
    row: str
    where: str
    when: When | None = None
    group: Mapping[str, str] = field(default_factory=dict)
    is_pure: bool = False


def pure(convert: Convert) -> Convert:
    """Mark a converter that makes the same of the same value wherever it stands in a message."""
    convert.is_pure = True  # type: ignore[attr-defined]
    return convert


def _compiled(rule: Rule | Part, row: str) -> _Compiled:
    is_list = rule.target.endswith("[]")
    where = rule.target.removesuffix("[]")
    path = tuple(where.split(".")) if where else ()
    is_pure = getattr(rule.convert, "is_pure", False)
    if isinstance(rule, Rule):
        return _Compiled(rule.convert, path, is_list, row, where, rule.when, rule.group, is_pure)
    return _Compiled(rule.convert, path, is_list, row, where, is_pure=is_pure)


Deletions = list[tuple[str, Mapping[str, str]]]
"""Elements that a message says shall go, each with what those members of a list have that go."""


class SegmentMap:
    """The rules by which a segment makes a resource, or part of one; `name` is that of the guide's table."""

    def __init__(self, name: str, makes: str, rules: Sequence[Rule]) -> None:
        """Compile `rules`; `makes` is the type of what they make."""
        self.name = name
        self.makes = makes
        self.rules = tuple(rules)
        self._always = [_compiled(rule, rule.row) for rule in rules if "-" not in rule.source]
        by_field: dict[int, list[_Compiled]] = {}
        for rule in rules:
            if "-" in rule.source:
                number = int(rule.source.partition("-")[2])
                by_field.setdefault(number, []).append(_compiled(rule, rule.row))
        self._by_field = sorted(by_field.items())

    def __call__(self, segment: Segment, scope: Scope, into: dict[str, Any]) -> Deletions:
        """Add to `into` what `segment` says; return what it says shall be deleted."""
        fields, place = segment.raw_fields, scope.place
        place.segment, place.sequence = segment.name, segment.sequence
        place.component = place.subcomponent = 0
        scope.segment = segment
        scope.read.add(segment.position)
        deleted: Deletions = []
        count, repeated = len(fields), scope.reader.chars.repetition
        for number, rules in self._by_field:
            if number >= count:
                break
            raw = fields[number]
            if not raw:
                continue
            place.field = number
            if raw == NULL:
                deleted += [(one.where, one.group) for one in rules]
                continue
            values = raw.split(repeated) if repeated and repeated in raw else [raw]
            for one in rules:
                if one.when is None or one.when(segment, scope):
                    _apply(one, values, scope, into)
        place.field = 0
        for one in self._always:
            if one.when is None or one.when(segment, scope):
                _apply(one, [segment.raw], scope, into)
        return deleted


def _apply(rule: _Compiled, values: Sequence[str], scope: Scope, into: dict[str, Any]) -> None:
    """Carry out one rule on all repetitions, or on the first that says something."""
    for repetition, raw in enumerate(values, 1):
        if not raw or raw == NULL:
            continue
        scope.place.repetition = repetition
        if scope.steps is not None:
            made = _traced(rule, Value(raw, scope.reader), scope, into)
        elif rule.is_pure:
            made = _remembered(rule, raw, scope)
        else:
            made = rule.convert(Value(raw, scope.reader), scope)
        if made is not None:
            put(into, rule.path, made, is_list=rule.is_list)
            if not rule.is_list:
                break
    scope.place.repetition = 0


def _remembered(rule: _Compiled, raw: str, scope: Scope) -> Any:
    """Return what a converter makes of a text, which most messages have many times over."""
    key = (rule.convert, raw)
    if key not in scope.remembered:
        scope.remembered[key] = rule.convert(Value(raw, scope.reader), scope)
    made = scope.remembered[key]
    return {**made} if isinstance(made, dict) else made


def _traced(rule: _Compiled, value: Value, scope: Scope, into: dict[str, Any]) -> Any:
    """Carry out one rule on one value, and put on record what came of it."""
    assert scope.steps is not None  # noqa: S101 - see _apply
    outer, count = scope.path, len(scope.steps)
    scope.path = ".".join(filter(None, (outer, _address(rule, into))))
    made = rule.convert(value, scope)
    if made is None:
        del scope.steps[count:]
    elif not rule.where and isinstance(made, dict):
        for element in made:
            scope.note(element, rule.row)
    elif not any(one.path.startswith(scope.path) for one in scope.steps[count:]):
        scope.note("", rule.row)
    scope.path = outer
    return made


def _address(rule: _Compiled, into: Mapping[str, Any]) -> str:
    """Return where in `into` the next value of a rule goes: `name.1`."""
    if not rule.is_list:
        return rule.where
    at: Any = into
    for name in rule.path:
        at = at.get(name) if isinstance(at, dict) else at[int(name)] if isinstance(at, list) and at else None
    return f"{rule.where}.{len(at) if isinstance(at, list) else 0}"


def put(into: dict[str, Any], path: Sequence[str], value: Any, *, is_list: bool = False) -> None:
    """Set the element at `path`, or add to the list there; an empty path takes in all elements of `value`."""
    if not path:
        into.update(value)
        return
    at: Any = into
    for name, following in itertools.pairwise(path):
        at = _entered(at, name, [] if following.isdigit() else {})
    last = path[-1]
    if not is_list:
        if last.isdigit():
            _entered(at, last, {}).update(value)
        elif isinstance(value, dict) and isinstance(at.get(last), dict):
            at[last].update(value)
        else:
            at[last] = value
        return
    listed = at.setdefault(last, [])
    if isinstance(value, list):
        listed += [one for one in value if one not in listed]
    elif value not in listed:
        listed.append(value)


def _entered(at: Any, name: str, empty: Any) -> Any:
    if isinstance(at, dict):
        return at.setdefault(name, empty)
    while len(at) <= int(name):
        at.append({})
    return at[int(name)]


class DatatypeMap:
    """The rules by which a datatype makes an element; `name` is that of the guide's table.

    It is a `Convert` itself, so that segments and other datatypes name it. `finish` may look over what was
    made, and return None if that is nothing.
    """

    def __init__(
        self,
        name: str,
        parts: Sequence[Part],
        finish: Callable[[dict[str, Any], Value, Scope], Any] | None = None,
    ) -> None:
        """Compile `parts`."""
        self.name = name
        self.parts = tuple(parts)
        self._finish = finish
        self._compiled = [_compiled_part(part, name) for part in parts]

    def __call__(self, value: Value, scope: Scope) -> Any:
        """Return the element that `value` makes, None if it says nothing."""
        made: dict[str, Any] = {}
        parts, place = value.parts, scope.place
        count, outer = len(parts), (place.component, place.subcomponent)
        for component, subcomponent, when, one in self._compiled:
            if component > count or not parts[component - 1] or parts[component - 1] == NULL:
                continue
            if when is not None and not when(value):
                continue
            within = (
                value.part(component)
                if not value.is_component
                else Value(parts[component - 1], value.reader, is_component=True)
            )
            if subcomponent:
                subs = within.parts
                if subcomponent > len(subs) or not subs[subcomponent - 1]:
                    continue
                within = Value(subs[subcomponent - 1], value.reader, is_component=True)
            if value.is_component:
                place.subcomponent = component
            else:
                place.component, place.subcomponent = component, subcomponent
            found = one.convert(within, scope) if scope.steps is None else _traced(one, within, scope, made)
            if found is not None:
                put(made, one.path, found, is_list=one.is_list)
        place.component, place.subcomponent = outer
        if self._finish is not None:
            return self._finish(made, value, scope)
        return made or None


def _compiled_part(part: Part, name: str) -> tuple[int, int, Within | None, _Compiled]:
    numbers = [int(number) for number in part.source.split(".")[1:]]
    row = part.row or f"{name} {'.'.join(map(str, numbers))}"
    return numbers[0], numbers[1] if len(numbers) > 1 else 0, part.when, _compiled(part, row)


def text(value: Value, _scope: Scope) -> str | None:
    """Return the first component as text, None if there is none."""
    return (value.text if len(value.parts) == 1 else value[1]) or None


def whole_text(value: Value, _scope: Scope) -> str | None:
    """Return the whole text, delimiters included."""
    return value.text or None


def always(made: Any) -> Convert:
    """Return the converter that makes the same of any value."""

    def convert(_value: Value, _scope: Scope) -> Any:
        return made

    return convert
