"""Carries out an operation level by level: first what is at hand, then all that has to be looked up for it.

What a level needs of other resources is read together, one search for each type of target.
https://spec.graphql.org/October2021/#sec-Execution, https://hl7.org/fhir/R4/graphql.html#additional
"""

import asyncio
from collections.abc import Sequence

from graphql import GraphQLObjectType, SelectionSetNode, get_named_type

from fhir_server.context import Context
from fhir_server.graphql.checking import Operation
from fhir_server.graphql.elements import Elements, Lookup, Target
from fhir_server.graphql.limits import Work
from fhir_server.graphql.mutations import carried_out
from fhir_server.graphql.places import Place
from fhir_server.graphql.reading import Reads, together
from fhir_server.graphql.references import unresolvable
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
from fhir_server.graphql.selection import Selections

Sets = Sequence[SelectionSetNode]


class Execution:
    """One operation while it is carried out."""

    def __init__(self, operation: Operation, schema: Schema, context: Context) -> None:
        """Carry out `operation`, reading what `context` may read."""
        work = Work()
        self._operation = operation
        self._schema = schema
        self._settings = context.settings
        self._reads = Reads(context, work)
        self._selections = Selections(operation, schema)
        self._elements = Elements(self._selections, schema, context.base_url, work)

    async def root(self, place: Place | None) -> Chosen:
        """Return what the operation selects of the resource at `place`, or of the whole system."""
        type_ = self._schema.get_root_type(self._operation.node.operation)
        assert type_ is not None  # noqa: S101 - the query is valid
        sets = (self._operation.node.selection_set,)
        self._selections.check_size(type_, sets)
        if self._operation.is_mutation:
            return await self._written(type_, sets)
        if place is None:
            chosen = self._elements.of_system(type_, sets)
        else:
            chosen = self._elements.of(place.resource, type_, sets, place)
        await self._look_up()
        return chosen

    async def _written(self, type_: GraphQLObjectType, sets: Sets) -> Chosen:
        """Carry out mutations, one after the other, each with all that it selects of its result."""
        chosen = Chosen()
        for pick in self._selections.of(type_, sets):
            found = Found(pick, is_list=False)
            chosen.fields.append(found)
            if pick.source is None:
                found.add(type_.name)
                continue
            value = await carried_out(pick.source, pick.arguments, self._reads)
            inner = self._schema.types.object(get_named_type(pick.field.type).name)
            place = Place(value, value, is_stored="resourceType" in value, depth=1)
            found.add(self._elements.of(value, inner, pick.selections, place))
            await self._look_up()
        return chosen

    async def _look_up(self) -> None:
        """Read what the fields chosen so far need, and what these need then, until nothing is missing."""
        while work := self._elements.taken():
            targets = [one for one in work if isinstance(one, Target)]
            fetches = [self._fetch(one) for one in work if not isinstance(one, Target)]
            await together(self._resolve(targets), *fetches)

    async def _resolve(self, targets: list[Target]) -> None:
        resolved = await self._reads.targets(target.reference for target in targets)
        for target in targets:
            resource = resolved.get(target.reference)
            if resource is not None:
                self._elements.add_target(target, resource)
            elif not target.found.pick.arguments.get("optional"):
                raise unresolvable()
            await asyncio.sleep(0)  # others are served meanwhile

    async def _fetch(self, lookup: Lookup) -> None:
        source, arguments = lookup.source, lookup.found.pick.arguments
        if source.kind == "read":
            resource = await self._reads.read((source.resource_type, arguments["id"]))
            self._elements.add_stored(lookup.found, resource)
            return
        referred = lookup.place.address if lookup.place else None
        key = await self._reads.cursor_key()
        search = asked_search(source.resource_type, arguments, referred, key)
        if source.kind == "list":
            await self._fetch_list(lookup, search)
        else:
            await self._fetch_connection(lookup, search, key)

    async def _fetch_list(self, lookup: Lookup, search: Search) -> None:
        found = await self._reads.search(search.resource_type, list_pairs(search, self._settings))
        resources = self._elements.passing(search.fhirpath, listed(search, found, self._settings))
        depth = lookup.place.depth if lookup.place else 0
        for i, resource in enumerate(self._elements.some(resources, lookup.found)):
            self._elements.add_stored(lookup.found, resource, depth, i)
            await asyncio.sleep(0)

    async def _fetch_connection(self, lookup: Lookup, search: Search, key: str) -> None:
        pick = lookup.found.pick
        type_ = self._schema.types.object(get_named_type(pick.field.type).name)
        names = {inner.name for inner in self._selections.of(type_, pick.selections)}
        pairs = connection_pairs(search, is_counted="count" in names)
        found = await self._reads.search(search.resource_type, pairs)
        page = connection(search, found, self._settings, key)
        passing = self._elements.passing(search.fhirpath, [edge["resource"] for edge in page["edges"]])
        kept = {id(resource) for resource in passing}
        page["edges"] = [edge for edge in page["edges"] if id(edge["resource"]) in kept]
        lookup.found.add(self._elements.of_page(page, type_, pick.selections))
