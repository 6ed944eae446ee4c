"""What tests of filters share: resources as the store lays them down, asked page by page."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.collection import Collection
from pymongo.database import Database

from fhir_server.query_string import parse_pairs
from fhir_server.search.extraction import search_values
from fhir_server.search.indexes import index_specifications
from fhir_server.search.parameters import Query, parse_search
from fhir_server.search.plan import finds, pipeline, position_of
from fhir_server.search.positions import Position, decode_position, encode_position
from fhir_server.store.connection import CODEC_OPTIONS

BASE_URL = "http://here.example/fhir"
NOW = datetime(2024, 5, 1, tzinfo=UTC)

Document = dict[str, Any]
Documents = Collection[Document]


def collection(database: Database[Document], resource_type: str) -> Documents:
    """Return the empty collection of a resource type, with its indexes."""
    found = database.get_collection(resource_type, codec_options=CODEC_OPTIONS)
    for index in index_specifications(resource_type):
        options: dict[str, Any] = {"partialFilterExpression": index.partial} if index.partial else {}
        found.create_index(list(index.keys), name=index.name, **options)
    return found


def document(resource: Document, sequence: int) -> Document:
    """Return the document of a resource, the `sequence`th one and as many seconds old."""
    updated = NOW - timedelta(seconds=sequence)
    return {
        "_id": resource["id"],
        "seq": sequence,
        "version": 1,
        "updated": updated,
        "resource": resource,
        "search": search_values(resource),
    }


def store(documents: Documents, resources: Iterable[Document]) -> None:
    """Replace what the collection holds by `resources`, in their order."""
    documents.delete_many({})
    documents.insert_many([document(resource, number) for number, resource in enumerate(resources)])


def parsed(resource_type: str, text: str) -> Query:
    """Return the query for what follows the `?` of a search."""
    return parse_search(resource_type, parse_pairs(text), lenient=False, base_url=BASE_URL, now=NOW)


def page(documents: Documents, query: Query, after: Position | None, size: int) -> list[Document]:
    """Return the next `size` documents after a position."""
    steps = finds(query, after)
    if steps is None:
        return list(documents.aggregate(pipeline(query, after, size)))
    found: list[Document] = []
    for step in steps:
        if len(found) < size:
            found += documents.find(
                step.filter, step.projection, sort=list(step.sort), limit=size - len(found)
            )
    return found


def position(query: Query, last: Document) -> Position:
    """Return the position after a document, as a link carries it."""
    return decode_position(encode_position(position_of(query, last)), len(query.results.sort))


def ask(documents: Documents, text: str, size: int = 1000) -> Sequence[str]:
    """Return the ids of all that a search finds, in its order, asked for in pages of `size`."""
    query = parsed(documents.name, text)
    ids: list[str] = []
    after = None
    while found := page(documents, query, after, size):
        ids += [one["_id"] for one in found]
        assert len(ids) == len(set(ids)), "a page repeats what was on another one"
        after = position(query, found[-1])
    return ids
