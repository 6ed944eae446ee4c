"""Transactions that a process left open when it was killed: ended at once, not when MongoDB gives them up.

MongoDB keeps the transaction of a client that is gone for a minute, and whoever writes the same resources
waits for that. Each process tells MongoDB who it is; one that starts ends those of the dead.
https://www.mongodb.com/docs/manual/reference/operator/aggregation/currentOp/,
https://www.mongodb.com/docs/manual/reference/command/killSessions/
"""

import os
import socket
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from fhir_server.store.documents import Document

_NAME = "fhir-server"
_MOST_HOST_LETTERS = 64
# The 22nd field of /proc/PID/stat, when the process began; the second, in parentheses, may have blanks.
_STARTED = 19


def process_name() -> str:
    """Return the name of this process for MongoDB: machine and container, process id, and its beginning."""
    return " ".join((_NAME, _place(), str(os.getpid()), _beginning(os.getpid()) or "0"))


def _place() -> str:
    """Return what has process ids of its own: a machine, or a container."""
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        namespace = 0
    return f"{socket.gethostname()[:_MOST_HOST_LETTERS].replace(' ', '-')}/{namespace}"


def _beginning(process: int) -> str | None:
    """Return when a process of this place began; None if there is none, or the system does not tell."""
    try:
        line = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    return line.rpartition(")")[2].split()[_STARTED]


def is_dead(name: str) -> bool:
    """Tell whether a name is that of a process of this place that has ended; others may live elsewhere."""
    parts = name.split(" ")
    if len(parts) != 4 or parts[:2] != [_NAME, _place()] or not parts[2].isdigit() or parts[3] == "0":
        return False
    return _beginning(int(parts[2])) != parts[3]


async def end_left_open(client: AsyncMongoClient[Document]) -> int:
    """End the transactions that dead processes of this place left open; return how many there were.

    An account of the database that may not look for them leaves them as they are.
    """
    asked: list[dict[str, Any]] = [
        {"$currentOp": {"idleSessions": True, "allUsers": False}},
        {"$match": {"type": "idleSession", "appName": {"$regex": f"^{_NAME} "}}},
    ]
    try:
        found = await (await client.admin.aggregate(asked)).to_list()
        sessions = [{"id": one["lsid"]["id"]} for one in found if is_dead(one["appName"])]
        if sessions:
            await client.admin.command("killSessions", sessions)
    except OperationFailure:
        return 0
    return len(sessions)
