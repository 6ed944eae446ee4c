"""Origins as browsers tell them: a scheme, a host and maybe a port.

https://www.rfc-editor.org/rfc/rfc6454#section-6.2
"""

import re

ANY_ORIGIN = "*"

_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?")


def is_origin(text: str) -> bool:
    """Tell whether `text` is the origin of a web page, in lower case as browsers write it."""
    return _ORIGIN.fullmatch(text) is not None


def parse_origins(text: str | None) -> frozenset[str]:
    """Return the origins in `text`, with commas between them, or `*` alone for all of them.

    Raises ValueError for anything else: `*` is no part of an origin.
    """
    origins = frozenset(origin.strip().lower() for origin in (text or "").split(",") if origin.strip())
    if origins != {ANY_ORIGIN} and not all(is_origin(origin) for origin in origins):
        raise ValueError("an origin is like https://app.example.org, without a path; or * alone for all")
    return origins
