"""Reading all pages of a search as of one moment, as long as MongoDB keeps it (five minutes by default).

https://www.mongodb.com/docs/manual/reference/read-concern-snapshot/,
https://www.mongodb.com/docs/manual/reference/parameters/#mongodb-parameter-param.minSnapshotHistoryWindowInSeconds
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from bson.timestamp import Timestamp
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession

from fhir_server.store.documents import Document

_INCREMENT_BITS = 32

_in_transaction: ContextVar[bool] = ContextVar("in_transaction", default=False)


@contextmanager
def reading_in_transaction() -> Iterator[None]:
    """Mark what is read until the block ends: it sees the transaction, which has a moment of its own."""
    token = _in_transaction.set(True)
    try:
        yield
    finally:
        _in_transaction.reset(token)


def is_in_transaction() -> bool:
    """Tell whether the caller reads within a transaction."""
    return _in_transaction.get()


def session_as_of(client: AsyncMongoClient[Document], moment: int | None) -> AsyncClientSession:
    """Return a session whose reads are all of one `moment`, of the time of the first of them for None."""
    session = client.start_session(snapshot=True)
    if moment is not None:
        # The driver has no public way to say so; what it sets here it takes from the first answer otherwise.
        seconds, increment = divmod(moment, 1 << _INCREMENT_BITS)
        session._snapshot_time = Timestamp(seconds, increment)  # type: ignore[assignment]
    return session


def moment_of(session: AsyncClientSession) -> int | None:
    """Return the moment that the session reads, None if it has not read anything yet."""
    found: Timestamp | None = session._snapshot_time
    return None if found is None else found.time << _INCREMENT_BITS | found.inc
