"""Addresses of a MongoDB at a Unix socket, however long the path of its folder is.

https://man7.org/linux/man-pages/man7/unix.7.html
"""

import os
from pathlib import Path
from urllib.parse import quote

_LONGEST_SOCKET_PATH = 107  # bytes


def reachable(socket: Path, folder: int) -> str:
    """Return a path of `socket` short enough to connect to; `folder` is a descriptor of its folder."""
    path = str(socket)
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        return path
    return f"/proc/{os.getpid()}/fd/{folder}/{socket.name}"


def url_at(path: str) -> str:
    """Return the address for MongoDB's drivers of the server that listens at a path."""
    return f"mongodb://{quote(path, safe='')}/?directConnection=true"
