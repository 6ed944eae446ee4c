"""Query strings taken apart; the same for URLs, posted searches, conditions and the URLs of bundle entries.

https://hl7.org/fhir/R4/search.html#Introduction
"""

from urllib.parse import parse_qsl, urlencode

from resources.operation_outcome import InvalidSearch, error

Pairs = tuple[tuple[str, str], ...]

_MOST_PAIRS = 1_000


def parse_pairs(query: str | bytes) -> Pairs:
    """Return the decoded names and values in their order.

    Raises InvalidSearch for what is not UTF-8, percent-encoded or not, and for null characters, which no
    value of FHIR has.
    """
    if not query:
        return ()
    try:
        text = query if isinstance(query, str) else query.decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PAIRS)
    except ValueError:
        message = "The query is not percent-encoded UTF-8, or has too many parameters"
        raise InvalidSearch(error("value", message)) from None
    if "%00" in text or "\0" in text:
        raise InvalidSearch(error("value", "A query has no null characters"))
    return tuple(pairs)


def as_utf8(header: str | None) -> str | None:
    """Return a header that was read byte by byte (as latin-1) as the UTF-8 that it is; see `parse_pairs`."""
    if header is None or header.isascii():
        return header
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidSearch(error("value", "A condition is percent-encoded UTF-8")) from None


def as_text(pairs: Pairs) -> str:
    """Return `pairs` as the query string that they were, percent-encoded."""
    return urlencode(pairs)
