"""Records that go away by themselves, and dataclasses as such records.

https://www.mongodb.com/docs/manual/core/index-ttl/
"""

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, TypeVar

from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.collection import AsyncCollection

from fhir_server.store.connection import Database
from fhir_server.store.documents import Document

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Value = TypeVar("Value", bound="DataclassInstance")


class ExpiringCollection:
    """A collection of records, each with a time `expires` after which MongoDB removes it, in a minute or so.

    Whoever reads one before asks whether it has expired: removal is for tidiness, not for safety.
    """

    def __init__(self, database: Database, name: str, *indexed: str) -> None:
        """Keep records in the collection `name`, with indexes on the fields `indexed` beside `expires`."""
        self.records: AsyncCollection[Document] = database[name]
        self._indexed = indexed
        self._is_prepared = False

    async def insert(self, record: Document) -> None:
        """Keep a new record; raise pymongo's DuplicateKeyError if there is one of its `_id`."""
        if not self._is_prepared:
            expiry = IndexModel([("expires", ASCENDING)], name="expires", expireAfterSeconds=0)
            others = [IndexModel([(name, ASCENDING)], name=name) for name in self._indexed]
            await self.records.create_indexes([expiry, *others])
            self._is_prepared = True
        await self.records.insert_one(record)


def as_record(value: "DataclassInstance") -> Document:
    """Return a dataclass as a record, its field `id` as `_id`."""
    record = asdict(value)
    return {"_id": record.pop("id")} | record


def as_value(value_type: type[Value], record: Document, **nested: Any) -> Value:
    """Return what `as_record` made a record of, with `nested` for fields that are dataclasses themselves.

    A field that came later than the record has its default.
    """
    given = {"id": record["_id"]} | record | nested
    names = (one.name for one in fields(value_type) if one.name in given)
    return value_type(**{name: _frozen(given[name]) for name in names})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
