"""What the client says in headers: `Prefer`, entity tags, dates and `Host`; and `_pretty`.

https://hl7.org/fhir/R4/http.html#ops, https://hl7.org/fhir/R4/http.html#concurrency
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache

from fhir_server.context import Preferences, ReturnPreference
from resources.operation_outcome import InvalidContent, InvalidSearch, error

_RETURNS: Mapping[str, ReturnPreference] = {
    "minimal": "minimal",
    "representation": "representation",
    "operationoutcome": "OperationOutcome",
}
# A name or IPv4 address, or an IPv6 address in brackets, and a port: it becomes part of links and Location.
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_ENTITY_TAG = re.compile(r'(?:W/)?"?(?P<version>[A-Za-z0-9\-.]{1,64})"?')


@lru_cache(maxsize=256)
def check_host(host: str | None) -> None:
    """Raise InvalidContent if there is a `Host` header that names no host.

    https://www.rfc-editor.org/rfc/rfc9112#section-3.2
    """
    if host is not None and _HOST.fullmatch(host) is None:
        raise InvalidContent(error("value", "The Host header must be a name or address, and maybe a port"))


@lru_cache(maxsize=256)
def parse_prefer(prefer: str | None) -> Preferences:
    """Read the `Prefer` header; preferences that are unknown are ignored, as RFC 7240 has it."""
    tokens = [token.strip() for token in re.split(r"[,;]", prefer or "")]
    pairs = {name.strip().lower(): value.strip(' "').lower() for name, _, value in _partitions(tokens)}
    return Preferences(
        returns=_RETURNS.get(pairs.get("return", "")),
        lenient=pairs.get("handling") == "lenient",
        respond_async="respond-async" in pairs,
    )


def _partitions(tokens: Iterable[str]) -> Iterable[tuple[str, str, str]]:
    return (token.partition("=") for token in tokens)


def is_pretty(values: Sequence[str]) -> bool:
    """Tell whether the values of `_pretty` ask for an indented answer.

    https://hl7.org/fhir/R4/http.html#pretty
    """
    if not set(values) <= {"true", "false"}:
        raise InvalidSearch(error("value", "_pretty is true or false"))
    return values[-1:] == ["true"]


def parse_entity_tag(header: str) -> str:
    """Return the version id in an entity tag such as `W/"3"`; raise InvalidContent if there is none."""
    match = _ENTITY_TAG.fullmatch(header.strip())
    if match is None:
        raise InvalidContent(error("value", 'A version is given as W/"3"'))
    return match["version"]


def matches_entity_tag(header: str, version: int) -> bool:
    """Tell whether an `If-None-Match` header (a list of tags, or *) names `version`."""
    tags = [tag.strip() for tag in header.split(",")]
    return "*" in tags or any(parse_entity_tag(tag) == str(version) for tag in tags if tag)


def entity_tag(version: int) -> str:
    """Return the weak entity tag of a version, the form that FHIR uses: `W/"3"`."""
    return f'W/"{version}"'


def http_date(moment: datetime) -> str:
    """Return `moment` (aware, UTC) in the form of an HTTP date, such as `Last-Modified` has it."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def parse_http_date(header: str) -> datetime | None:
    """Return the moment of an HTTP date, or None if it is not one (which HTTP says to ignore)."""
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
