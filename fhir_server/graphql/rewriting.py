"""Two liberties that FHIR takes with GraphQL, written out as GraphQL has it before a query is checked.

- `resource { active }` selects a field that only some resource types have; it becomes
  `resource { ... on Patient { active } ... on Group { active } }` for the types that may stand there, or for
  the one that `resource(type: Patient)` names.
- `Patient(id: example)` has a word where GraphQL wants a text; it becomes `Patient(id: "example")`.

https://hl7.org/fhir/R4/graphql.html#references, https://hl7.org/fhir/R4/graphql.html#searching
"""

from collections.abc import Sequence
from typing import Any

from graphql import (
    DocumentNode,
    EnumValueNode,
    FieldNode,
    GraphQLObjectType,
    InlineFragmentNode,
    ListValueNode,
    NamedTypeNode,
    NameNode,
    SelectionNode,
    SelectionSetNode,
    StringValueNode,
    TypeInfo,
    TypeInfoVisitor,
    ValueNode,
    Visitor,
    get_named_type,
    visit,
)

from fhir_server.graphql.fields import property_names
from fhir_server.graphql.limits import DEEPEST, MOST_FIELDS, too_large
from fhir_server.graphql.names import RESOURCE
from fhir_server.graphql.schema import Schema
from resources.definitions import resource_types

_TEXTS = frozenset({"ID", "String"})
_SEARCHES = ("List", "Connection")


def written_out(document: DocumentNode, schema: Schema) -> DocumentNode:
    """Return `document` without these liberties; raise InvalidContent if it becomes too large."""
    type_info = TypeInfo(schema)
    rewritten: DocumentNode = visit(document, TypeInfoVisitor(type_info, _Writer(schema, type_info)))
    return rewritten


class _Writer(Visitor):
    def __init__(self, schema: Schema, type_info: TypeInfo) -> None:
        super().__init__()
        self._schema = schema
        self._type_info = type_info
        self._fields = 0

    def enter_enum_value(self, node: EnumValueNode, *_: Any) -> StringValueNode | None:
        wanted = get_named_type(self._type_info.get_input_type())
        if wanted is not None and wanted.name in _TEXTS:
            return StringValueNode(value=node.value, block=False, loc=node.loc)
        return None

    def enter_field(self, node: FieldNode, *_: Any) -> FieldNode | None:
        self._count()
        type_ = get_named_type(self._type_info.get_type())
        if type_ is None or type_.name != RESOURCE or node.selection_set is None:
            return None
        return _with_selections(node, self._narrowed(node, node.selection_set.selections))

    def _narrowed(self, node: FieldNode, selections: Sequence[SelectionNode]) -> tuple[SelectionNode, ...]:
        known = self._schema.types[RESOURCE].fields  # type: ignore[attr-defined]
        special = [
            selection
            for selection in selections
            if isinstance(selection, FieldNode)
            and selection.name.value not in known
            and not selection.name.value.startswith("__")
        ]
        if not special:
            return tuple(selections)
        candidates = [name for name in self._candidates(node) if _may_have(name, special)]
        fragments = [self._fragment(name, special) for name in candidates]
        found = {id(selection) for fragment in fragments for selection in fragment.selection_set.selections}
        # What no type has stays where it is, for the error that this is.
        others = [selection for selection in selections if id(selection) not in found]
        return (*others, *(fragment for fragment in fragments if fragment.selection_set.selections))

    def _candidates(self, node: FieldNode) -> Sequence[str]:
        named = next((one.value for one in node.arguments or () if one.name.value == "type"), None)
        words = _words(named)
        return [name for name in resource_types() if words is None or name in words]

    def _fragment(self, name: str, special: Sequence[FieldNode]) -> InlineFragmentNode:
        type_ = self._schema.types.object(name)
        selections = tuple(selection for selection in special if _fits(selection, type_, DEEPEST))
        return InlineFragmentNode(
            type_condition=NamedTypeNode(name=NameNode(value=name)),
            directives=(),
            selection_set=SelectionSetNode(selections=selections),
        )

    def _count(self) -> None:
        self._fields += 1
        if self._fields > MOST_FIELDS:
            raise too_large(
                f"it selects more than {MOST_FIELDS:,} fields; where a reference is resolved, name the type"
            )


def _may_have(name: str, special: Sequence[FieldNode]) -> bool:
    """Tell whether a resource type may have one of the fields; to make its type to find out costs more."""
    names = {node.name.value.removeprefix("_") for node in special}
    return not names.isdisjoint(property_names(name)) or any(one.endswith(_SEARCHES) for one in names)


def _fits(node: FieldNode, type_: GraphQLObjectType, deepest: int) -> bool:
    """Tell whether a field can be selected of a type, with the fields that are selected within it.

    `name` fits an Organization, `name { family }` a Patient.
    """
    if deepest == 0:
        raise too_large(f"its fields are nested more than {DEEPEST} deep")
    field = type_.fields.get(node.name.value)
    if field is None:
        return node.name.value.startswith("__")
    inner = get_named_type(field.type)
    selections = node.selection_set.selections if node.selection_set else ()
    if not isinstance(inner, GraphQLObjectType):
        return bool(selections) is bool(inner.name == RESOURCE)
    return bool(selections) and all(
        _fits(one, inner, deepest - 1) for one in selections if isinstance(one, FieldNode)
    )


def _words(value: ValueNode | None) -> set[str] | None:
    """Return the words of a literal, None if it is no word and no list of them."""
    if isinstance(value, ListValueNode):
        return {word for item in value.values for word in _words(item) or ()}
    if isinstance(value, (EnumValueNode, StringValueNode)):
        return {value.value}
    return None


def _with_selections(node: FieldNode, selections: tuple[SelectionNode, ...]) -> FieldNode:
    return FieldNode(
        alias=node.alias,
        name=node.name,
        arguments=node.arguments,
        directives=node.directives,
        selection_set=SelectionSetNode(selections=selections),
        loc=node.loc,
    )
