"""Makes one `mongod` a replica set of its own, which is what transactions need.

https://www.mongodb.com/docs/manual/reference/command/replSetInitiate/
"""

import socket
import time
from collections.abc import Callable
from typing import Any

from pymongo import MongoClient
from pymongo.errors import ConfigurationError, PyMongoError

from fhir_server.store.embedded.failure import CannotStart

REPLICA_SET = "fhir"

_SELECTION_TIMEOUT_MS = 2_000
# Looking costs a few milliseconds; a new set elected itself 20 ms after it was made.
_PAUSE_SECONDS = 0.005


def make_primary(
    socket_path: str, url: str, member: str, *, seconds: float, is_alive: Callable[[], bool]
) -> None:
    """Return when the server at `socket_path`, whose `url` it is, takes writes as the only member of its set.

    `member` is its name in the set. Raises CannotStart after `seconds`, or as soon as `is_alive` says no.
    """
    deadline = time.monotonic() + seconds
    # The driver waits half a second between two looks at an address where nobody listens: look ourselves.
    while not (_accepts(socket_path) and _is_primary(url, member)):
        if not is_alive():
            raise CannotStart("MongoDB ended while it was starting")
        if time.monotonic() > deadline:
            raise CannotStart(f"MongoDB took more than {seconds:.0f} seconds to become ready")
        time.sleep(_PAUSE_SECONDS)


def _accepts(socket_path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(socket_path)
        except OSError:
            return False
    return True


def _is_primary(url: str, member: str) -> bool:
    # A client that saw the server before the set was made takes it for a standalone: each look has its own.
    try:
        with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=_SELECTION_TIMEOUT_MS) as client:
            state = client.admin.command("hello")
            if "setName" not in state:
                client.admin.command("replSetInitiate", _configuration(member))
                return False
    except PyMongoError:
        return False
    return bool(state["isWritablePrimary"])


def _configuration(member: str) -> dict[str, Any]:
    return {"_id": REPLICA_SET, "members": [{"_id": 0, "host": member}]}


def check_is_replica_set(url: str) -> None:
    """Raise CannotStart if the MongoDB at `url` knows no transactions, or `url` is not an address.

    A MongoDB that does not answer now may do so later: that is no reason to refuse.
    """
    try:
        with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=_SELECTION_TIMEOUT_MS) as client:
            state = client.admin.command("hello")
    except (ConfigurationError, ValueError) as failure:
        raise CannotStart(f"FHIR_MONGO_URL is not an address of MongoDB: {failure}") from None
    except PyMongoError:
        return
    if "setName" not in state and state.get("msg") != "isdbgrid":
        raise CannotStart(
            "The MongoDB at FHIR_MONGO_URL knows no transactions: start it with --replSet, then rs.initiate()"
        )
