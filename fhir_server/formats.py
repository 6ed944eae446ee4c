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
    """One format: its media type, its short and its other names, and how it is read and written."""

    media_type: str
    short_name: str
    names: frozenset[str]
    parse: Callable[[bytes], Any]
    dumps: Dumps


JSON = Format(
    "application/fhir+json",
    "json",
    frozenset({"application/fhir+json", "application/json", "text/json", "application/json+fhir", "json"}),
    json_format.parse,
    json_format.dumps,
)
XML = Format(
    "application/fhir+xml",
    "xml",
    frozenset({"application/fhir+xml", "application/xml", "text/xml", "application/xml+fhir", "xml"}),
    xml_format.parse,
    xml_format.dumps,
)
FORMATS = (JSON, XML)
"""In the order in which they are offered to a client that takes anything."""

_FHIR_TYPES = frozenset(name for format_ in FORMATS for name in format_.names if "fhir" in name)
_WILDCARDS = frozenset({"*/*", "application/*", "text/*"})
_FHIR_VERSIONS = frozenset({"4.0", "4.0.1"})
_OFFER = f"ask for {JSON.media_type} or {XML.media_type}"


@lru_cache(maxsize=256)
def accepted_format(accept: str | None, format_parameter: str | None) -> Format:
    """Return the format to answer in; `_format` overrides the `Accept` header.

    Raises NotAcceptable if the client takes none that is written here.
    """
    found = best_format(accept, format_parameter)
    if found is None:
        raise NotAcceptable(error("not-supported", f"This server answers in JSON and XML: {_OFFER}"))
    return found


def best_format(accept: str | None, format_parameter: str | None = None) -> Format | None:
    """Return the format to answer in, None if the client takes none that is written here."""
    if format_parameter:
        # A "+" in a query stands for a space: application/fhir+json arrives as "application/fhir json".
        media_type, *parameters = format_parameter.split(";")
        wanted = [";".join([media_type.strip().replace(" ", "+"), *parameters])]
    elif accept:
        wanted = accept.split(",")
    else:
        return JSON
    formats = (JSON,) if _is_browser(wanted) else FORMATS
    best = max((_preference(name, wanted), -i) for i, name in enumerate(formats))
    return formats[-best[1]] if best[0] > 0 else None


def _is_browser(media_ranges: list[str]) -> bool:
    """Tell whether these are the wishes of a browser, which names XML, but shows JSON better."""
    media_types = {media_type_of(media_range) for media_range in media_ranges}
    return "text/html" in media_types and not media_types & _FHIR_TYPES and "*/*" in media_types


def accepts_content(accept: str | None, content_type: str) -> bool:
    """Tell whether a client takes content of `content_type` and names no media type of FHIR."""
    ranges = [_split_media_type(text) for text in (accept or "*/*").split(",")]
    weights = {media_type: _weight(parameters.get("q", "1")) for media_type, parameters in ranges}
    if any(weights.get(name, 0.0) > 0 for name in _FHIR_TYPES):
        return False
    media_type = media_type_of(content_type)
    named = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    return next((weights[name] for name in named if name in weights), 0.0) > 0


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
    found = format_named(media_type)
    if found is None:
        message = f"This server reads JSON and XML: send Content-Type: {JSON.media_type}, or {XML.media_type}"
        raise UnsupportedMediaType(error("not-supported", message))
    if parameters.get("charset", "utf-8") not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType(error("not-supported", "Resources are read as UTF-8 only"))
    if parameters.get("fhirversion", "4.0") not in _FHIR_VERSIONS:
        raise UnsupportedMediaType(error("not-supported", "This server speaks FHIR 4.0 only"))
    return found


def format_named(name: str) -> Format | None:
    """Return the format that a media type or short name in lower case stands for, None if there is none."""
    return next((format_ for format_ in FORMATS if name in format_.names), None)


def media_type_of(header: str | None) -> str:
    """Return the media type in a header such as `Content-Type`, without its parameters, in lower case."""
    return _split_media_type(header or "")[0]


def is_fhir_type(content_type: str | None) -> bool:
    """Tell whether a `Content-Type` says that the body is a resource, and not just any JSON or XML."""
    return media_type_of(content_type) in _FHIR_TYPES


def _split_media_type(text: str) -> tuple[str, dict[str, str]]:
    media_type, *rest = (part.strip() for part in text.lower().split(";"))
    pairs = (part.partition("=") for part in rest)
    return media_type, {name.strip(): value.strip(' "') for name, _, value in pairs}
