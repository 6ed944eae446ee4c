"""What a query selects of one type of object: its fields with their arguments, fragments put in place.

The same field may be selected twice, and its selections are then taken together; two different fields with
one name in the answer are an error, but for `resource` with different types, of which only one can be there.
https://spec.graphql.org/October2021/#CollectFields(), https://hl7.org/fhir/R4/graphql.html#references
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLIncludeDirective,
    GraphQLObjectType,
    GraphQLSkipDirective,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
    get_argument_values,
    get_directive_values,
    get_named_type,
)

from fhir_server.graphql.checking import InvalidQuery, Operation
from fhir_server.graphql.fields import Source, source_of
from fhir_server.graphql.limits import DEEPEST, MOST_FIELDS, too_large
from fhir_server.graphql.names import RESOURCE
from fhir_server.graphql.schema import FIRST, FLATTEN, SINGLETON, SLICE, Schema
from resources.definitions import resource_types


@dataclass(frozen=True, slots=True)
class Shaping:
    """The directives on a field that re-arrange the answer; `slice` is the FHIRPath that makes names."""

    is_flat: bool = False
    is_first: bool = False
    is_single: bool = False
    slice: str | None = None


@dataclass(frozen=True, slots=True)
class Pick:
    """One field as it is selected: `key` is its name in the answer; `selections` are those within it."""

    key: str
    name: str
    field: GraphQLField
    source: Source | None
    arguments: dict[str, Any]
    shaping: Shaping
    selections: tuple[SelectionSetNode, ...]


class Selections:
    """The picks of each type of object that an operation comes to; made once for each."""

    def __init__(self, operation: Operation, schema: Schema) -> None:
        """Look at the fields of `operation` as `schema` has them."""
        self._operation = operation
        self._schema = schema
        self._made: dict[tuple[str, tuple[int, ...]], tuple[Pick, ...]] = {}
        self._sizes: dict[tuple[str, tuple[int, ...]], tuple[int, int]] = {}

    def of(self, type_: GraphQLObjectType, sets: Sequence[SelectionSetNode]) -> tuple[Pick, ...]:
        """Return what `sets` together select of an object of `type_`; raise InvalidQuery if they conflict."""
        place = (type_.name, tuple(map(id, sets)))
        if place not in self._made:
            self._made[place] = tuple(self._picks(type_, sets))
        return self._made[place]

    def check_size(self, type_: GraphQLObjectType, sets: Sequence[SelectionSetNode]) -> None:
        """Raise InvalidContent if what `sets` select is too deep or too much."""
        fields, depth = self._size(type_, tuple(sets), DEEPEST + 1)
        if depth > DEEPEST:
            raise too_large(f"its fields are nested more than {DEEPEST} deep")
        if fields > MOST_FIELDS:
            raise too_large(f"it selects more than {MOST_FIELDS:,} fields")

    def _size(
        self, type_: GraphQLObjectType, sets: tuple[SelectionSetNode, ...], deepest: int
    ) -> tuple[int, int]:
        """Return how many fields there are, those of each possible type counted, and how deep they go."""
        if deepest == 0 or not sets:
            return 0, 0
        place = (type_.name, tuple(map(id, sets)))
        if place in self._sizes:
            return self._sizes[place]
        fields, depth = 0, 0
        for pick in self.of(type_, sets):
            sizes = [self._size(inner, pick.selections, deepest - 1) for inner in self._inner_types(pick)]
            fields += 1 + sum(size[0] for size in sizes)
            depth = max(depth, 1 + max((size[1] for size in sizes), default=0))
        self._sizes[place] = fields, depth
        return fields, depth

    def _inner_types(self, pick: Pick) -> list[GraphQLObjectType]:
        type_ = get_named_type(pick.field.type)
        if isinstance(type_, GraphQLObjectType):
            return [type_]
        if type_.name != RESOURCE:
            return []
        return [self._schema.types.object(name) for name in self._named_within(pick.selections)]

    def _named_within(self, sets: Sequence[SelectionSetNode]) -> Iterator[str]:
        """Yield the resource types that fragments name, or some type if there are none."""
        named = {
            condition
            for one in sets
            for selection in one.selections
            if (condition := self._condition(selection)) in resource_types()
        }
        yield from sorted(name for name in named if name) or ("Basic",)

    def _condition(self, selection: SelectionNode) -> str | None:
        if isinstance(selection, FragmentSpreadNode):
            return self._operation.fragments[selection.name.value].type_condition.name.value
        if isinstance(selection, InlineFragmentNode) and selection.type_condition:
            return selection.type_condition.name.value
        return None

    def _picks(self, type_: GraphQLObjectType, sets: Sequence[SelectionSetNode]) -> Iterator[Pick]:
        by_key: dict[str, list[Pick]] = {}
        for node in self._fields(type_, sets, set()):
            pick = self._pick(type_, node)
            known = by_key.setdefault(pick.key, [])
            for i, other in enumerate(known):
                if _is_same(pick, other):
                    known[i] = _together(other, pick)
                    break
                if not (pick.name == other.name == "resource" and "type" in pick.arguments):
                    message = f"Different fields are named '{pick.key}' in the answer: give one an alias"
                    raise InvalidQuery(GraphQLError(message, node))
            else:
                known.append(pick)
        for picks in by_key.values():
            yield from picks

    def _fields(
        self, type_: GraphQLObjectType, sets: Sequence[SelectionSetNode], spread: set[str]
    ) -> Iterator[FieldNode]:
        for selection in (selection for one in sets for selection in one.selections):
            if not self._is_included(selection):
                continue
            if isinstance(selection, FieldNode):
                yield selection
                continue
            if isinstance(selection, FragmentSpreadNode):
                if selection.name.value in spread:
                    continue
                spread.add(selection.name.value)
                inner = self._operation.fragments[selection.name.value].selection_set
            else:
                assert isinstance(selection, InlineFragmentNode)  # noqa: S101 - there is no third kind
                inner = selection.selection_set
            if self._condition(selection) in (None, type_.name) or self._is_resource(selection, type_):
                yield from self._fields(type_, (inner,), spread)

    def _is_resource(self, selection: SelectionNode, type_: GraphQLObjectType) -> bool:
        return self._condition(selection) == RESOURCE and type_.name in resource_types()

    def _is_included(self, selection: SelectionNode) -> bool:
        variables = self._operation.variables
        skip = get_directive_values(GraphQLSkipDirective, selection, variables)
        if skip and skip["if"] is True:
            return False
        include = get_directive_values(GraphQLIncludeDirective, selection, variables)
        return not include or include["if"] is not False

    def _pick(self, type_: GraphQLObjectType, node: FieldNode) -> Pick:
        field = self._schema.get_field(type_, node.name.value)
        assert field is not None  # noqa: S101 - the query is valid
        variables = self._operation.variables
        try:
            arguments = get_argument_values(field, node, variables, hide_suggestions=True)
            slice_ = get_directive_values(SLICE, node, variables)
        except GraphQLError:
            message = f"An argument of '{node.name.value}' is missing or does not have its type"
            raise InvalidQuery(GraphQLError(message, node)) from None
        return Pick(
            key=node.alias.value if node.alias else node.name.value,
            name=node.name.value,
            field=field,
            source=source_of(field),
            arguments={name: value for name, value in arguments.items() if value is not None},
            shaping=Shaping(
                get_directive_values(FLATTEN, node) is not None,
                get_directive_values(FIRST, node) is not None,
                get_directive_values(SINGLETON, node) is not None,
                slice_["path"] if slice_ else None,
            ),
            selections=(node.selection_set,) if node.selection_set else (),
        )


def _is_same(pick: Pick, other: Pick) -> bool:
    return (pick.name, pick.arguments, pick.shaping) == (other.name, other.arguments, other.shaping)


def _together(first: Pick, second: Pick) -> Pick:
    return Pick(
        first.key,
        first.name,
        first.field,
        first.source,
        first.arguments,
        first.shaping,
        first.selections + second.selections,
    )
