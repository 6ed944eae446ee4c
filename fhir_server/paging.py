"""How many entries a page has. https://hl7.org/fhir/R4/http.html#paging"""

from fhir_server.settings import Settings
from resources.operation_outcome import InvalidSearch, error


def page_size(count: str | None, settings: Settings) -> int:
    """Return how many entries a page has: what `_count` asks for, within the server's bounds."""
    if count is None:
        return settings.default_page_size
    if not count.isascii() or not count.isdigit() or len(count) > 9:
        raise InvalidSearch(error("value", "_count is a whole number"))
    return min(int(count), settings.max_page_size)
