"""Carries out an operation level by level: first what is at hand, then all that has to be looked up for it.

What a level needs of other resources is read together, one search for each type of target.
https://spec.graphql.org/October2021/#sec-Execution, https://hl7.org/fhir/R4/graphql.html#additional
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLList,
    GraphQLObjectType,
    get_named_type,
    get_nullable_type,
)

from fhir_server.context import Context
from fhir_server.graphql.checking import Operation
from fhir_server.graphql.fields import Source
from fhir_server.graphql.filtering import is_true, slice_name, wanted
from fhir_server.graphql.limits import DEEPEST, Work, too_large
from fhir_server.graphql.mutations import carried_out
from fhir_server.graphql.names import type_name
from fhir_server.graphql.reading import Reads, together
from fhir_server.graphql.references import contained_target, local_reference, unresolvable
from fhir_server.graphql.results import Chosen, Found
from fhir_server.graphql.schema import Schema
from fhir_server.graphql.searching import (
    Search,
    asked_search,
    connection,
    connection_pairs,
    list_pairs,
    listed,
)
from fhir_server.graphql.selection import Pick, Selections
from resources.fhirpath.nodes import Shape, type_shape
from resources.fhirpath.work import Work as FhirPathWork
from resources.references import LiteralReference


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object stands: the resource that it is in, and the one that holds what this one contains.

    `is_stored` tells whether the resource has an address of its own; `depth` counts the fields on the way.
    """

    resource: Mapping[str, Any]
    container: Mapping[str, Any]
    is_stored: bool
    depth: int = 0


@dataclass(frozen=True, slots=True)
class _Target:
    """A reference that is to be resolved into a field."""

    found: Found
    reference: LiteralReference
    depth: int


@dataclass(frozen=True, slots=True)
class _Lookup:
    """A read or search that is to be made into a field."""

    found: Found
    pick: Pick
    source: Source
    place: Place | None


class Execution:
    """One operation while it is carried out."""

    def __init__(self, operation: Operation, schema: Schema, context: Context) -> None:
        """Carry out `operation`, reading what `context` may read."""
        self._operation = operation
        self._schema = schema
        self._context = context
        self._work = Work()
        self._fhirpath_work = FhirPathWork()
        self._reads = Reads(context, self._work)
        self._selections = Selections(operation, schema)
        self._targets: list[_Target] = []
        self._lookups: list[_Lookup] = []

    async def root(self, type_: GraphQLObjectType, resource: Mapping[str, Any] | None) -> Chosen:
        """Return what the operation selects of the root: `resource`, or the whole system."""
        sets = (self._operation.node.selection_set,)
        self._selections.check_size(type_, sets)
        place = None if resource is None else Place(resource, resource, is_stored=True)
        if self._operation.is_mutation:
            return await self._written(type_, sets)
        chosen = self._chosen(resource or {}, type_, sets, place)
        await self._look_up()
        return chosen

    async def _written(self, type_: GraphQLObjectType, sets: Any) -> Chosen:
        chosen = Chosen()
        for pick in self._selections.of(type_, sets):
            found = self._new(chosen, pick)
            if pick.source is None:
                found.add(type_.name)
                continue
            value = await carried_out(pick.source, pick.arguments, self._reads)
            inner = self._schema.types.object(get_named_type(pick.field.type).name)
            is_stored = "resourceType" in value
            place = Place(value, value, is_stored=is_stored, depth=1)
            found.add(self._chosen(value, inner, pick.selections, place))
            await self._look_up()
        return chosen

    async def _look_up(self) -> None:
        while self._targets or self._lookups:
            targets, lookups = self._targets, self._lookups
            self._targets, self._lookups = [], []
            await together(self._resolve_all(targets), *(self._fetch(lookup) for lookup in lookups))

    def _chosen(self, value: Any, type_: GraphQLObjectType, sets: Any, place: Place | None) -> Chosen:
        """Return the fields that `sets` select of an object; what is not at hand is noted to be looked up."""
        if place is not None and place.depth > DEEPEST:
            raise too_large(f"its fields are nested more than {DEEPEST} deep")
        chosen = Chosen()
        picks = self._selections.of(type_, sets)
        self._work.spend_values(1 + len(picks))
        for pick in picks:
            found = self._new(chosen, pick)
            if pick.source is None:
                self._introspect(found, value, type_)
            elif place is None or pick.source.kind in ("plain", "match"):
                self._fill_system(found, pick.source, value)
            else:
                self._fill(found, pick.source, value, place)
        return chosen

    def _new(self, chosen: Chosen, pick: Pick) -> Found:
        is_list = pick.source is not None and pick.source.is_list
        found = Found(
            pick, is_list, is_shown=is_list and pick.source is not None and pick.source.kind == "list"
        )
        chosen.fields.append(found)
        return found

    def _fill_system(self, found: Found, source: Source, value: Any) -> None:
        """Fill a field of the system or of a connection."""
        inside = value.get(source.key) if isinstance(value, dict) else None
        if source.kind in ("read", "list", "connection"):
            self._lookups.append(_Lookup(found, found.pick, source, None))
        elif source.kind == "match":
            self._add_stored(found, inside)
        elif source.is_list:
            type_ = self._schema.types.object(get_named_type(found.pick.field.type).name)
            for edge in self._some(inside or [], found):
                found.add(self._chosen(edge, type_, found.pick.selections, None))
        elif inside is not None:
            found.add(inside)

    def _fill(self, found: Found, source: Source, value: Any, place: Place) -> None:
        if source.kind == "type":
            found.add(value.get("resourceType"))
        elif source.kind == "target":
            self._note_target(found, value, place)
        elif source.kind in ("list", "connection"):
            if place.is_stored:
                self._lookups.append(_Lookup(found, found.pick, source, place))
        elif source.shape is not None and source.shape.is_primitive:
            self._add_leaves(found, value.get(source.key))
        elif source.shape is not None:
            self._add_elements(found, source.shape, value.get(source.key), place)

    def _some(self, items: list[Any], found: Found) -> list[Any]:
        self._work.spend_values(len(items))
        return items[:1] if found.pick.shaping.is_first else items

    def _add_leaves(self, found: Found, value: Any) -> None:
        if value is None:
            return
        if not isinstance(value, list):
            found.add(value)
            return
        for i, item in enumerate(self._some(value, found)):
            found.add(item, self._suffix(found, item, i, {}))

    def _add_elements(self, found: Found, shape: Shape, value: Any, place: Place) -> None:
        if value is None:
            return
        items = value if isinstance(value, list) else [value]
        pick = found.pick
        kept = wanted(items, pick.arguments, shape, place.resource, self._fhirpath_work)
        for i, item in enumerate(self._some(kept, found)):
            if not isinstance(item, dict):  # a gap among the extensions of a list of primitives
                found.add(None)
                continue
            type_, inner = self._inside(shape, item, pick, place)
            suffix = self._suffix(found, item, i, place.resource)
            found.add(self._chosen(item, type_, pick.selections, inner), suffix)

    def _inside(
        self, shape: Shape, item: dict[str, Any], pick: Pick, place: Place
    ) -> tuple[GraphQLObjectType, Place]:
        if shape.type != "Resource":
            inner = Place(place.resource, place.container, place.is_stored, place.depth + 1)
            return self._schema.types.object(type_name(shape)), inner
        container = place.container if pick.name == "contained" else item
        inner = Place(item, container, is_stored=False, depth=place.depth + 1)
        return self._schema.types.object(item["resourceType"]), inner

    def _suffix(self, found: Found, item: Any, index: int, resource: Mapping[str, Any]) -> str:
        if found.pick.shaping.slice is None:
            return ""
        source = found.pick.source
        shape = source.shape if source and source.shape else type_shape("Element")
        return slice_name(found.pick.shaping, item, shape, resource, self._fhirpath_work, index)

    def _add_stored(self, found: Found, resource: Any, depth: int = 1, index: int = 0) -> None:
        type_ = self._schema.types.object(resource["resourceType"])
        place = Place(resource, resource, is_stored=True, depth=depth)
        suffix = self._suffix(found, resource, index, resource)
        found.add(self._chosen(resource, type_, found.pick.selections, place), suffix)

    def _note_target(self, found: Found, value: Any, place: Place) -> None:
        text = value.get("reference")
        if isinstance(text, str) and text.startswith("#"):
            self._add_contained(found, contained_target(text, place.container), place)
            return
        reference = local_reference(text, self._context.base_url)
        if reference is not None:
            self._targets.append(_Target(found, reference, place.depth + 1))
        elif not found.pick.arguments.get("optional"):
            raise unresolvable()

    def _add_contained(self, found: Found, resource: Mapping[str, Any] | None, place: Place) -> None:
        if resource is None:
            if not found.pick.arguments.get("optional"):
                raise unresolvable()
        elif self._is_wanted(found, resource["resourceType"]):
            inner = Place(resource, place.container, is_stored=False, depth=place.depth + 1)
            type_ = self._schema.types.object(resource["resourceType"])
            found.add(self._chosen(resource, type_, found.pick.selections, inner))

    def _is_wanted(self, found: Found, resource_type: str) -> bool:
        types = found.pick.arguments.get("type")
        return types is None or resource_type in types

    async def _resolve_all(self, targets: list[_Target]) -> None:
        resolved = await self._reads.targets(target.reference for target in targets)
        for target in targets:
            self._resolve(target, resolved.get(target.reference))

    def _resolve(self, target: _Target, resource: Mapping[str, Any] | None) -> None:
        if resource is None:
            if not target.found.pick.arguments.get("optional"):
                raise unresolvable()
        elif self._is_wanted(target.found, resource["resourceType"]):
            self._add_stored(target.found, resource, target.depth)

    async def _fetch(self, lookup: _Lookup) -> None:
        if lookup.source.kind == "read":
            path = (lookup.source.resource_type, lookup.pick.arguments["id"])
            self._add_stored(lookup.found, await self._reads.read(path))
        elif lookup.source.kind == "list":
            await self._fetch_list(lookup)
        else:
            await self._fetch_connection(lookup)

    async def _fetch_list(self, lookup: _Lookup) -> None:
        search, settings = self._search(lookup), self._context.settings
        found = await self._reads.search(search.resource_type, list_pairs(search, settings))
        resources = self._passing(search, listed(search, found, settings))
        for i, resource in enumerate(self._some(resources, lookup.found)):
            self._add_stored(lookup.found, resource, _depth(lookup), i)

    async def _fetch_connection(self, lookup: _Lookup) -> None:
        search, settings = self._search(lookup), self._context.settings
        type_ = self._schema.types.object(get_named_type(lookup.pick.field.type).name)
        names = {pick.name for pick in self._selections.of(type_, lookup.pick.selections)}
        pairs = connection_pairs(search, is_counted="count" in names)
        page = connection(search, await self._reads.search(search.resource_type, pairs), settings)
        passing = self._passing(search, [edge["resource"] for edge in page["edges"]])
        kept = {id(resource) for resource in passing}
        page["edges"] = [edge for edge in page["edges"] if id(edge["resource"]) in kept]
        lookup.found.add(self._chosen(page, type_, lookup.pick.selections, None))

    def _search(self, lookup: _Lookup) -> Search:
        referred = None
        if lookup.place is not None:
            resource = lookup.place.resource
            referred = f"{resource['resourceType']}/{resource['id']}"
        return asked_search(lookup.source.resource_type, lookup.pick.arguments, referred)

    def _passing(self, search: Search, resources: list[Any]) -> list[Any]:
        expression = search.fhirpath
        if expression is None:
            return resources
        shape, work = type_shape(search.resource_type), self._fhirpath_work
        return [one for i, one in enumerate(resources) if is_true(expression, one, shape, one, work, i)]

    def _introspect(self, found: Found, value: Any, type_: GraphQLObjectType) -> None:
        """Fill a field of introspection, which the types of the schema answer for themselves."""
        if found.pick.name == "__typename":
            found.add(type_.name)
            return
        resolve = found.pick.field.resolve
        assert resolve is not None  # noqa: S101 - all fields of introspection have one
        info: Any = SimpleNamespace(schema=self._schema, parent_type=type_)
        result = resolve(value, info, **found.pick.arguments)
        found.is_list = isinstance(get_nullable_type(found.pick.field.type), GraphQLList)
        found.is_shown = found.is_list and result is not None
        named = get_named_type(found.pick.field.type)
        for item in self._some(list(result), found) if found.is_list and result is not None else [result]:
            if isinstance(named, GraphQLObjectType) and item is not None:
                found.add(self._chosen(item, named, found.pick.selections, None))
            elif not found.is_list or item is not None:
                found.add(named.coerce_output_value(item) if isinstance(named, GraphQLEnumType) else item)


def _depth(lookup: _Lookup) -> int:
    return 1 if lookup.place is None else lookup.place.depth + 1
