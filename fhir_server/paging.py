"""Pages: their size, and the opaque positions that the links between them carry.

https://hl7.org/fhir/R4/http.html#paging
"""

import base64
import binascii
from datetime import UTC, datetime, timedelta

from fhir_server.settings import Settings
from resources.operation_outcome import InvalidSearch, error

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def page_size(count: str | None, settings: Settings) -> int:
    """Return how many entries a page has: what `_count` asks for, within the server's bounds."""
    if count is None:
        return settings.default_page_size
    if not count.isascii() or not count.isdigit() or len(count) > 9:
        raise InvalidSearch(error("value", "_count is a whole number"))
    return min(int(count), settings.max_page_size)


def encode_position(updated: datetime, sequence: int) -> str:
    """Return the place after a version, as text that may stand in a URL."""
    milliseconds = (updated - _EPOCH) // _MILLISECOND
    return base64.urlsafe_b64encode(f"{milliseconds:x}.{sequence:x}".encode()).decode().rstrip("=")


def decode_position(text: str) -> tuple[datetime, int]:
    """Return what `encode_position` was given; raise InvalidSearch for any other text."""
    try:
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
        milliseconds, sequence = (int(part, 16) for part in decoded.split("."))
        if not 0 <= sequence < 1 << 63:
            raise ValueError
        return _EPOCH + milliseconds * _MILLISECOND, sequence
    except (binascii.Error, ValueError, OverflowError):
        raise InvalidSearch(error("value", "This page link was not made by this server")) from None
