"""Fills the fields of objects with what is at hand, and notes what has to be looked up.

https://hl7.org/fhir/R4/graphql.html#fields, https://hl7.org/fhir/R4/graphql.html#references
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLObjectType, SelectionSetNode, get_named_type

from fhir_server.graphql.fields import Source
from fhir_server.graphql.filtering import is_true, slice_name, wanted
from fhir_server.graphql.introspection import described
from fhir_server.graphql.limits import Work
from fhir_server.graphql.names import RESOURCE, type_name
from fhir_server.graphql.places import Place, Resource, stored
from fhir_server.graphql.references import contained_target, local_reference, unresolvable
from fhir_server.graphql.results import Chosen, Found
from fhir_server.graphql.schema import Schema
from fhir_server.graphql.selection import Selections
from resources.fhirpath.nodes import Shape, type_shape
from resources.fhirpath.work import Work as FhirPathWork
from resources.references import LiteralReference

Sets = Sequence[SelectionSetNode]


@dataclass(frozen=True, slots=True)
class Target:
    """A reference that is to be resolved into a field; `depth` is that of the place where it stands."""

    found: Found
    reference: LiteralReference
    depth: int


@dataclass(frozen=True, slots=True)
class Lookup:
    """A read or search whose result goes into a field; `place` is what a reverse search is about."""

    found: Found
    source: Source
    place: Place | None = None


class Elements:
    """Chooses the fields of objects for one operation."""

    def __init__(self, selections: Selections, schema: Schema, base_url: str, work: Work) -> None:
        """Choose what `selections` say, on the server at `base_url`, as long as there is `work` left."""
        self._selections = selections
        self._schema = schema
        self._base_url = base_url
        self._work = work
        self._fhirpath_work = FhirPathWork()
        self._noted: list[Target | Lookup] = []

    def taken(self) -> list[Target | Lookup]:
        """Return what was noted since the last time, to be looked up now."""
        noted, self._noted = self._noted, []
        return noted

    def of_system(self, type_: GraphQLObjectType, sets: Sets) -> Chosen:
        """Return the fields that are selected of the whole system."""
        chosen = Chosen()
        for found in self._new(chosen, type_, sets):
            if found.pick.source is None:
                self._add_described(found, None, type_)
            else:
                self._noted.append(Lookup(found, found.pick.source))
        return chosen

    def of(self, value: Resource, type_: GraphQLObjectType, sets: Sets, place: Place) -> Chosen:
        """Return the fields that are selected of a resource or element, which stands at `place`."""
        chosen = Chosen()
        for found in self._new(chosen, type_, sets):
            source = found.pick.source
            if source is None:
                self._add_described(found, value, type_)
            elif source.kind == "type":
                found.add(value.get("resourceType"))
            elif source.kind == "target":
                self._note_target(found, value, place)
            elif source.kind != "element":
                if place.is_stored:
                    self._noted.append(Lookup(found, source, place))
            elif source.shape is not None and source.shape.is_primitive:
                self._add_leaves(found, value.get(source.key), place)
            elif source.shape is not None:
                self._add_elements(found, source.shape, value.get(source.key), place)
        return chosen

    def of_page(self, page: Mapping[str, Any], type_: GraphQLObjectType, sets: Sets) -> Chosen:
        """Return the fields that are selected of a connection or of one of its edges."""
        chosen = Chosen()
        for found in self._new(chosen, type_, sets):
            source = found.pick.source
            value: Any = page.get(source.key) if source else None
            if source is None:
                self._add_described(found, page, type_)
            elif source.kind == "match":
                self.add_stored(found, value)
            elif source.is_list:
                edge_type = self._schema.types.object(get_named_type(found.pick.field.type).name)
                for edge in self.some(value, found):
                    found.add(self.of_page(edge, edge_type, found.pick.selections))
            elif value is not None:
                found.add(value)
        return chosen

    def add_stored(self, found: Found, resource: Any, depth: int = 0, index: int = 0) -> None:
        """Add a resource that has an address; `index` is its number in a list."""
        type_ = self._schema.types.object(resource["resourceType"])
        place = stored(resource, depth)
        suffix = self._suffix(found, resource, index, place)
        found.add(self.of(resource, type_, found.pick.selections, place), suffix)

    def add_target(self, target: Target, resource: Resource) -> None:
        """Add what a reference points to, if it is of a type that is wanted."""
        if _is_wanted(target.found, resource):
            self.add_stored(target.found, resource, target.depth)

    def passing(self, fhirpath: str | None, resources: list[Any]) -> list[Any]:
        """Return the resources of which a FHIRPath is true; all of them without one."""
        if fhirpath is None:
            return resources
        shape, work = type_shape(RESOURCE), self._fhirpath_work
        return [one for i, one in enumerate(resources) if is_true(fhirpath, one, shape, one, work, i)]

    def some(self, items: list[Any], found: Found) -> list[Any]:
        """Return the items that `@first` leaves, all without it; they are counted as work."""
        self._work.spend_values(len(items))
        return items[:1] if found.pick.shaping.is_first else items

    def _new(self, chosen: Chosen, type_: GraphQLObjectType, sets: Sets) -> list[Found]:
        """Return the fields of a new object, which are still empty."""
        for pick in self._selections.of(type_, sets):
            source = pick.source
            is_list = source is not None and source.is_list
            is_search = source is not None and source.kind == "list"
            chosen.fields.append(Found(pick, is_list, is_shown=is_search))
        self._work.spend_values(1 + len(chosen.fields))
        if type_.name.startswith("__"):
            self._work.spend_introspected(1 + len(chosen.fields))
        return chosen.fields

    def _add_leaves(self, found: Found, value: Any, place: Place) -> None:
        if isinstance(value, list):
            for i, item in enumerate(self.some(value, found)):
                found.add(item, self._suffix(found, item, i, place))
        elif value is not None:
            found.add(value)

    def _add_elements(self, found: Found, shape: Shape, value: Any, place: Place) -> None:
        if value is None:
            return
        pick = found.pick
        items = value if isinstance(value, list) else [value]
        kept = wanted(items, pick.arguments, shape, place.resource, self._fhirpath_work)
        for i, item in enumerate(self.some(kept, found)):
            if item is None:  # a gap among the extensions of a list of primitives
                found.add(None)
            else:
                suffix = self._suffix(found, item, i, place)
                found.add(self._element(item, shape, found, place), suffix)

    def _element(self, item: dict[str, Any], shape: Shape, found: Found, place: Place) -> Chosen:
        sets = found.pick.selections
        if shape.type != RESOURCE:
            return self.of(item, self._schema.types.object(type_name(shape)), sets, place.inside())
        inner = place.of_resource(item, is_contained=found.pick.name == "contained")
        return self.of(item, self._schema.types.object(item["resourceType"]), sets, inner)

    def _suffix(self, found: Found, item: Any, index: int, place: Place) -> str:
        source = found.pick.source
        if found.pick.shaping.slice is None or source is None or source.shape is None:
            return ""
        work = self._fhirpath_work
        return slice_name(found.pick.shaping, item, source.shape, place.resource, work, index)

    def _note_target(self, found: Found, value: Resource, place: Place) -> None:
        text = value.get("reference")
        reference = local_reference(text, self._base_url)
        resource = contained_target(text, place.container)
        if reference is not None:
            self._noted.append(Target(found, reference, place.depth))
        elif resource is None:
            if not found.pick.arguments.get("optional"):
                raise unresolvable()
        elif _is_wanted(found, resource):
            type_ = self._schema.types.object(resource["resourceType"])
            inner = place.of_resource(resource, is_contained=True)
            found.add(self.of(resource, type_, found.pick.selections, inner))

    def _add_described(self, found: Found, value: Any, type_: GraphQLObjectType) -> None:
        """Fill a field of introspection."""
        if found.pick.name == "__typename":
            found.add(type_.name)
            return
        values, found.is_list = described(found.pick, value, self._schema)
        found.is_shown = found.is_list
        inner = get_named_type(found.pick.field.type)
        for one in self.some(values, found):
            if one is None or not isinstance(inner, GraphQLObjectType):
                found.add(one)
            else:
                found.add(self._of_schema(one, inner, found.pick.selections))

    def _of_schema(self, value: Any, type_: GraphQLObjectType, sets: Sets) -> Chosen:
        """Return the fields that are selected of a type, field or argument of the schema."""
        chosen = Chosen()
        for found in self._new(chosen, type_, sets):
            self._add_described(found, value, type_)
        return chosen


def _is_wanted(found: Found, resource: Resource) -> bool:
    types = found.pick.arguments.get("type")
    return types is None or resource["resourceType"] in types
