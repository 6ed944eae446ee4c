"""Logical ids that the server gives: UUIDs of version 7, which sort by the time they were made.

Ids in time order let MongoDB append to its indexes instead of inserting all over them.
https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
"""

import os
import time
import uuid

_VERSION = 0x7 << 76
_VARIANT = 0x2 << 62
_RANDOM_BITS = 0xFFF << 64 | (1 << 62) - 1


def new_id() -> str:
    """Return a new id, such as `019324c8-5d2f-7b6e-9a3c-0d1f2e3a4b5c`."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10)) & _RANDOM_BITS
    return str(uuid.UUID(int=milliseconds << 80 | _VERSION | _VARIANT | random))
