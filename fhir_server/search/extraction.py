"""From a resource to its index values: every search parameter of its type in one walk.

All parameters of a type are merged into one tree of JSON keys, and the tree is written out as the source of a
Python function, which is compiled once: each element is looked at once, and only where there is one.
https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from fhir_server.search import contained, inline, modified
from fhir_server.search.asked import Field, Reader, as_it_is
from fhir_server.search.composite import Combination, combinations
from fhir_server.search.fields import kept_fields
from fhir_server.search.full_text import words
from fhir_server.search.modified import modified_readers
from fhir_server.search.types import KINDS
from resources.custom_parameters import once_for_each_type
from resources.fhirpath.element_paths import AtIndex, Condition, ElementIs, ElementPath, ReferenceTo, Step
from resources.references import parse_reference

EXTRACTION_REVISION = 2
"""To be raised with each change to what is extracted: a server that finds older index values says so."""

Extractor = Callable[[dict[str, Any]], dict[str, Any]]


def search_values(resource: dict[str, Any]) -> dict[str, Any]:
    """Return the index values of a valid resource: parameter code -> value, or array of values.

    A parameter whose element is there but has nothing to be found by, such as a CodeableConcept that is text
    alone, has the value None or []: it is not missing. The words of its texts stand beside them, and
    the values of the resources that it contains, and of the one that a Bundle begins with.
    """
    values = _values(resource)
    if "contained" in resource:
        values[contained.KEY] = [
            {"type": inner["resourceType"], "search": _values(inner)} for inner in resource["contained"]
        ]
    if resource["resourceType"] == "Bundle" and (first := inline.first_resource(resource)) is not None:
        values[inline.KEY] = {"type": first["resourceType"], "search": _values(first)}
    return values


def _values(resource: dict[str, Any]) -> dict[str, Any]:
    return _extractor(resource["resourceType"])(resource) | words(resource)


@once_for_each_type
def _extractor(resource_type: str) -> Extractor:
    writer = _Writer()
    writer.write_extractor(resource_type)
    return writer.compiled(resource_type)


@dataclass(frozen=True, slots=True)
class _Sink:
    """Where the index values of an element go: `target` is set to them, or gathers those of all elements."""

    target: str
    reader: Reader
    gathers: bool


@dataclass(slots=True)
class _Node:
    """A place in the tree: the keys that lead on, and what is taken from an element that is here."""

    branches: dict[str, list["_Branch"]] = field(default_factory=dict)
    sinks: list[_Sink] = field(default_factory=list)
    presences: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    combinations: list[tuple[str, Combination]] = field(default_factory=list)

    def at(self, steps: Iterable[Step]) -> "_Node":
        """Return the node that `steps` lead to, made if it is not there."""
        node = self
        for step in steps:
            branches = node.branches.setdefault(step.key, [])
            found = next((branch for branch in branches if branch.condition == step.condition), None)
            if found is None:
                found = _Branch(step.is_array, step.condition)
                branches.append(found)
            node = found.node
        return node

    def add(self, kept: Field, paths: tuple[ElementPath, ...], target: str, *, gathers: bool) -> None:
        """Have the elements at `paths` from here go to `target`."""
        for path in paths:
            if path.presence_of:
                self.at(path.steps).presences.append((target, path.presence_of))
            else:
                sink = _Sink(target, KINDS[kept.type].reader(path), gathers)
                self.at(path.steps).sinks.append(sink)


@dataclass(slots=True)
class _Branch:
    is_array: bool
    condition: Condition | None
    node: _Node = field(default_factory=_Node)


class _Writer:
    """Writes the source of one extractor."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._names: dict[str, Any] = {"distinct": _distinct, "listed": _listed, "refers_to": _refers_to}
        self._readers: dict[Callable[[Any], Any], str] = {}
        self._variables = 0

    def compiled(self, resource_type: str) -> Extractor:
        """Return the function that was written."""
        code = compile("\n".join(self._lines), f"<index values of {resource_type}>", "exec")
        exec(code, self._names)  # noqa: S102 - it was written here, from the definitions alone
        extract: Extractor = self._names["extract"]
        return extract

    def write_extractor(self, resource_type: str) -> None:
        """Write the function `extract` for a resource type."""
        root = _Node()
        gathered: dict[str, str] = {}
        for kept in kept_fields(resource_type):
            paths = kept.parameter.paths
            gathers = not kept.is_bare and not (len(paths) == 1 and paths[0].single)
            variable = gathered.setdefault(kept.path, self._variable()) if gathers else None
            root.add(kept, paths, variable or _value_of(kept.path), gathers=gathers)
            for element, reader in modified_readers(kept):
                target = gathered.setdefault(modified.PATH, self._variable())
                root.at(element.steps).sinks.append(_Sink(target, reader, gathers=True))
        for combination in combinations(resource_type):
            variable = gathered.setdefault(combination.path, self._variable())
            root.at(combination.steps).combinations.append((variable, combination))
        self._line(0, "def extract(resource):")
        self._line(1, "values = {}")
        if gathered:
            self._line(1, " = ".join([*gathered.values(), "None"]))
        self._node(1, root, "resource")
        for path, variable in gathered.items():
            self._line(1, f"if {variable} is not None: {_value_of(path)} = distinct({variable})")
        self._line(1, "return values")

    def _line(self, depth: int, text: str) -> None:
        self._lines.append("    " * depth + text)

    def _variable(self) -> str:
        self._variables += 1
        return f"v{self._variables}"

    def _node(self, depth: int, node: _Node, element: str) -> None:
        for target, keys in node.presences:
            tests = " or ".join(f"{element}.get({key!r}, False) is not False" for key in keys)
            self._line(depth, f'{target} = "true" if {tests} else "false"')
        self._sinks(depth, node.sinks, element)
        for variable, combination in node.combinations:
            self._combination(depth, variable, combination, element)
        for key, branches in node.branches.items():
            child = self._variable()
            self._line(depth, f"{child} = {element}.get({key!r})")
            self._line(depth, f"if {child} is not None:")
            for branch in branches:
                self._branch(depth + 1, branch, child)

    def _branch(self, depth: int, branch: _Branch, child: str) -> None:
        if branch.is_array:
            items, child = child, self._variable()
            if isinstance(branch.condition, AtIndex):
                items += f"[{branch.condition.index}:{branch.condition.index + 1}]"
            self._line(depth, f"for {child} in {items}:")
            depth += 1
        if branch.is_array or branch.condition is not None:
            self._line(depth, f"if {_test(branch.condition, child)}:")
            depth += 1
        self._node(depth, branch.node, child)

    def _sinks(self, depth: int, sinks: list[_Sink], element: str) -> None:
        """Write what is taken from an element; what several fields take is read once."""
        read: dict[Callable[[Any], Any], str] = {as_it_is: element}
        for sink in sinks:
            if sink.reader.read not in read:
                read[sink.reader.read] = self._variable()
                self._line(depth, f"{read[sink.reader.read]} = {self._call(sink.reader)}({element})")
            value = read[sink.reader.read]
            if sink.gathers:
                self._gather(depth, sink.target, value if sink.reader.several else f"listed({value})")
            else:
                self._line(depth, f"{sink.target} = {value}")

    def _gather(self, depth: int, target: str, values: str) -> None:
        self._line(depth, f"if {target} is None: {target} = []")
        self._line(depth, f"{target} += {values}")

    def _call(self, reader: Reader) -> str:
        name = self._readers.setdefault(reader.read, f"read{len(self._readers)}")
        self._names[name] = reader.read
        return name

    def _combination(self, depth: int, target: str, combination: Combination, element: str) -> None:
        """Write what adds the combination of one element, if the element has all its parts."""
        parts = {part.path: self._variable() for part in combination.parts}
        self._line(depth, " = ".join([*parts.values(), "None"]))
        for part in combination.parts:
            node = _Node()
            node.add(part, part.parameter.paths, parts[part.path], gathers=not part.is_bare)
            from_resource = any(path.from_resource for path in part.parameter.paths)
            self._node(depth, node, "resource" if from_resource else element)
        self._line(depth, f"if {' and '.join(f'{value} not in (None, [])' for value in parts.values())}:")
        document = ", ".join(f"{letter!r}: {value}" for letter, value in parts.items())
        self._gather(depth + 1, target, f"[{{{document}}}]")


def _value_of(path: str) -> str:
    return f"values[{path.removeprefix('search.')!r}]"


def _test(condition: Condition | None, element: str) -> str:
    match condition:
        case ElementIs(key=key, value=value):
            return f"{element}.get({key!r}) == {value!r}"
        case ReferenceTo(type_name=type_name):
            return f"refers_to({element}, {type_name!r})"
        case None | AtIndex():
            return f"{element} is not None"  # an array of primitives may have nulls
        case _:
            return f"any(e.get('url') == {condition.url!r} for e in {element}.get('extension', ()))"


def _refers_to(reference: dict[str, Any], type_name: str) -> bool:
    text = reference.get("reference", "")
    if text.startswith(f"{type_name}/"):
        return True
    literal = parse_reference(text) if ":/" in text else None
    return bool((literal.resource_type if literal else reference.get("type")) == type_name)


def _listed(value: Any) -> list[Any]:
    return [] if value is None else [value]


def _distinct(values: list[Any]) -> list[Any]:
    # Documents may be there twice, which harms nobody; to compare thousands of them would take long.
    return list(dict.fromkeys(values)) if len(values) > 1 and isinstance(values[0], str) else values
