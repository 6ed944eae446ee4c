"""A file that is there when it is whole, and for its owner only; and the key of one.

https://man7.org/linux/man-pages/man2/open.2.html (O_TMPFILE)
"""

import base64
import binascii
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_KEY_BYTES = 32
_FOR_OTHERS = 0o077


class Unusable(Exception):
    """A file cannot be used; the text says why."""


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Give a file that has no name until the block ends well: whatever happens, no half of it is left.

    Raises Unusable if there is something at `path`, or nothing can be written there.
    """
    if path.exists():
        raise Unusable(f"{path} exists")
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as failure:
        raise Unusable(f"{path.parent} takes no file ({failure.strerror})") from None
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        descriptor, has_name = _opened(path.parent, unfinished)
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
            # The way to give a file without a name one, as its manual page has it; never over another file.
            source = unfinished if has_name else f"/proc/self/fd/{descriptor}"
            os.link(source, path.name, dst_dir_fd=folder, follow_symlinks=True)
        os.fsync(folder)
    except OSError as failure:
        raise Unusable(f"{path} cannot be made ({failure.strerror})") from None
    finally:
        unfinished.unlink(missing_ok=True)
        os.close(folder)


def _opened(folder: Path, unfinished: Path) -> tuple[int, bool]:
    """Return a new file, without a name where the file system has such files, and whether it has one."""
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600), False
    except OSError as failure:
        if failure.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            raise
    return os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), True


def read_key(path: Path | None) -> bytes | None:
    """Return the key in a file, 32 bytes in base64, which nobody else may read; raise Unusable."""
    if path is None:
        return None
    try:
        if path.stat().st_mode & _FOR_OTHERS:
            raise Unusable(f"{path} can be read by others: chmod 600 {path}")
        key = base64.b64decode(path.read_text().strip(), validate=True)
    except (OSError, binascii.Error, UnicodeDecodeError):
        raise Unusable(f"{path} is not a key in base64: make one with openssl rand -base64 32") from None
    if len(key) != _KEY_BYTES:
        raise Unusable(f"{path} has a key of {len(key)} bytes, and not of {_KEY_BYTES}")
    return key
