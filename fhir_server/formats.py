"""The formats that resources are sent in: which one the client sends, and which one it takes.

https://hl7.org/fhir/R4/http.html#mime-type, https://www.rfc-editor.org/rfc/rfc9110#field.accept
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from resources import json_format, xml_format
from resources.operation_outcome import NotAcceptable, UnsupportedMediaType, error


class Dumps(Protocol):
    """Writes a resource."""

    def __call__(self, resource: Any, /, *, pretty: bool = False) -> bytes:
        """Return `resource` as UTF-8 text, indented if `pretty`."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format: its media type, other names for it, and how it is read and written."""

    media_type: str
    names: frozenset[str]
    parse: Callable[[bytes], Any]
    dumps: Dumps


JSON = Format(
    "application/fhir+json",
    frozenset({"application/fhir+json", "application/json", "text/json", "application/json+fhir", "json"}),
    json_format.parse,
    json_format.dumps,
)
XML = Format(
    "application/fhir+xml",
    frozenset({"application/fhir+xml", "application/xml", "text/xml", "application/xml+fhir", "xml"}),
    xml_format.parse,
    xml_format.dumps,
)
# In the order in which they are offered to a client that takes anything.
_FORMATS = (JSON, XML)
_WILDCARDS = frozenset({"*/*", "application/*", "text/*"})
_FHIR_VERSIONS = frozenset({"4.0", "4.0.1"})
_OFFER = f"ask for {JSON.media_type} or {XML.media_type}"


@lru_cache(maxsize=256)
def accepted_format(accept: str | None, format_parameter: str | None) -> Format:
    """Return the format to answer in; `_format` overrides the `Accept` header.

    Raises NotAcceptable if the client takes none that is written here.
    """
    if format_parameter is not None:
        # A "+" in a query stands for a space: application/fhir+json arrives as "application/fhir json".
        wanted = [format_parameter.strip().replace("fhir ", "fhir+")]
    elif accept:
        wanted = accept.split(",")
    else:
        return JSON
    best = max(((_preference(name, wanted), -i) for i, name in enumerate(_FORMATS)), default=(0.0, 0))
    if best[0] <= 0:
        raise NotAcceptable(error("not-supported", f"This server answers in JSON and XML: {_OFFER}"))
    return _FORMATS[-best[1]]


def _preference(format_: Format, media_ranges: list[str]) -> float:
    """Return the weight that the client gives a format: that of the most precise range that names it."""
    precise = general = 0.0
    is_named = False
    for media_range in media_ranges:
        media_type, parameters = _split_media_type(media_range)
        weight = _weight(parameters.get("q", "1"))
        if parameters.get("fhirversion", "4.0") not in _FHIR_VERSIONS:
            continue
        if media_type in format_.names:
            is_named, precise = True, max(precise, weight)
        elif media_type in _WILDCARDS:
            general = max(general, weight)
    return precise if is_named else general


def _weight(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


@lru_cache(maxsize=256)
def sent_format(content_type: str | None) -> Format:
    """Return the format that a body of this `Content-Type` is in; raise UnsupportedMediaType if in none."""
    media_type, parameters = _split_media_type(content_type or "")
    found = next((format_ for format_ in _FORMATS if media_type in format_.names), None)
    if found is None:
        message = f"This server reads JSON and XML: send Content-Type: {JSON.media_type}, or {XML.media_type}"
        raise UnsupportedMediaType(error("not-supported", message))
    if parameters.get("charset", "utf-8") not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType(error("not-supported", "Resources are read as UTF-8 only"))
    if parameters.get("fhirversion", "4.0") not in _FHIR_VERSIONS:
        raise UnsupportedMediaType(error("not-supported", "This server speaks FHIR 4.0 only"))
    return found


def _split_media_type(text: str) -> tuple[str, dict[str, str]]:
    media_type, *rest = (part.strip() for part in text.lower().split(";"))
    pairs = (part.partition("=") for part in rest)
    return media_type, {name.strip(): value.strip(' "') for name, _, value in pairs}
