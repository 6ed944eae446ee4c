"""Headers that keep an answer from being cached, guessed at, framed, or acted upon in the server's name.

https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers
"""

from fhir_server.settings import Settings

Headers = list[tuple[bytes, bytes]]

_SAFE: Headers = [
    (b"x-content-type-options", b"nosniff"),
    # Nothing here is a page; what is one has a policy of its own.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
    # Addresses of searches hold what was searched for.
    (b"referrer-policy", b"no-referrer"),
]
# Without accounts whoever reaches the server may see all; a cache of the client's own only asks again.
_NO_CACHE = (b"cache-control", b"private, no-cache")
# With them the next person at a shared machine must not find the records on its disk. A conditional read
# works all the same: it names a version, not a copy in a cache.
_NO_STORE = (b"cache-control", b"no-store")
_HSTS = b"strict-transport-security"

SAFE_HEADERS = frozenset((*dict(_SAFE), b"cache-control", _HSTS))
"""The names of the headers that every answer may get."""


def safe_headers(settings: Settings, *, is_https: bool) -> Headers:
    """Return the headers of every answer, those excepted that the answer has itself.

    `is_https` tells whether the client's connection is encrypted; HSTS counts on such ones only
    (https://www.rfc-editor.org/rfc/rfc6797#section-7.2).
    """
    headers = [_NO_STORE if settings.auth == "on" else _NO_CACHE, *_SAFE]
    if is_https and settings.hsts_seconds:
        headers.append((_HSTS, f"max-age={settings.hsts_seconds}".encode()))
    return headers
