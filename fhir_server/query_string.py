"""Query strings taken apart; the same for URLs, posted searches, conditions and the URLs of bundle entries.

https://hl7.org/fhir/R4/search.html#Introduction
"""

from urllib.parse import parse_qsl

from resources.operation_outcome import InvalidSearch, error

Pairs = tuple[tuple[str, str], ...]

_MOST_PAIRS = 1_000


def parse_pairs(query: str) -> Pairs:
    """Return the decoded names and values in their order; raise InvalidSearch for what is not UTF-8."""
    if not query:
        return ()
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PAIRS)
    except ValueError:
        message = "The query is not percent-encoded UTF-8, or has too many parameters"
        raise InvalidSearch(error("value", message)) from None
    return tuple(pairs)
