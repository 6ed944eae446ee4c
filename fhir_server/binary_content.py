"""Binary by its content: read as the file that it holds, and written by sending a file.

https://hl7.org/fhir/R4/binary.html#rest
"""

import base64
import re
from collections.abc import Mapping
from typing import Any

from fhir_server.context import Request, Response
from fhir_server.formats import accepts_content, format_named, is_fhir_type, media_type_of, sent_format
from fhir_server.query_parameters import SUBSETTING_PARAMETERS
from resources.operation_outcome import FhirError, UnsupportedMediaType, error

_BINARY = "Binary"
_NAME = r"[A-Za-z0-9!#$&^_.+-]{1,127}"
_MEDIA_TYPE = re.compile(rf'{_NAME}/{_NAME}(?: ?; ?{_NAME}=(?:"[ !#-~]{{0,200}}"|{_NAME})){{0,9}}')
_REFERENCE = re.compile(r"[!-~]{1,1000}")
# What somebody stored here must not act in the name of this server: no page of it runs, none is guessed at.
_SAFETY = (("content-disposition", "attachment"), ("content-security-policy", "sandbox; default-src 'none'"))


def is_read_of_binary(request: Request) -> bool:
    """Tell whether `request` reads a Binary or a version of one: its content may be what is wanted.

    Who says how the resource is to come wants the resource.
    """
    path = request.path
    if any(name in ("_format", *SUBSETTING_PARAMETERS) and text for name, text in request.query):
        return False
    is_read = len(path) == 2 or (len(path) == 4 and path[2] == "_history")
    return request.method in ("GET", "HEAD") and is_read and path[0] == _BINARY


def is_write_of_binary(request: Request) -> bool:
    """Tell whether `request` creates or updates a Binary, so that its body may be any file."""
    path = request.path
    is_write = (request.method, len(path)) in (("POST", 1), ("PUT", 1), ("PUT", 2))
    return is_write and path[0] == _BINARY


def wants_content(response: Response, accept: str | None) -> bool:
    """Tell whether the client takes what the Binary in `response` holds rather than the resource.

    "When a read request is made for the Binary resource that doesn't explicitly specify the FHIR content
    types", the content is what is wanted; unless the client takes none of its type, but a resource.
    """
    is_binary = response.status == 200 and (response.resource or {}).get("resourceType") == _BINARY
    return is_binary and accepts_content(accept, _content_type(response.resource or {}))


def content_of(binary: Mapping[str, Any]) -> tuple[bytes, str, tuple[tuple[str, str], ...]]:
    """Return the content of a Binary, its media type, and the headers that go with them."""
    reference = binary.get("securityContext", {}).get("reference", "")
    context = (("x-security-context", reference),) if _REFERENCE.fullmatch(reference) else ()
    return base64.b64decode(binary.get("data", "")), _content_type(binary), (*_SAFETY, *context)


def _content_type(binary: Mapping[str, Any]) -> str:
    text = str(binary.get("contentType", ""))
    return text if _MEDIA_TYPE.fullmatch(text) else "application/octet-stream"


def sent_binary(
    request: Request, body: bytes, content_type: str | None, security_context: str | None
) -> dict[str, Any]:
    """Return the Binary that `request` sends: `body` itself if it is one, or else one that holds it.

    "the data is accepted as is and treated as the content of a Binary, including when the content type is"
    FHIR's own, "except for the special case where the content is actually a Binary resource".
    Raises UnsupportedMediaType without a media type, and InvalidContent for a body that claims to be FHIR
    and cannot be read as such.
    """
    sent = _as_resource(body, content_type)
    if isinstance(sent, dict) and sent.get("resourceType") == _BINARY:
        return sent
    text = (content_type or "").strip()
    if not _MEDIA_TYPE.fullmatch(text):
        raise UnsupportedMediaType(error("not-supported", "The Content-Type of a file is its media type"))
    binary: dict[str, Any] = {"resourceType": _BINARY, "contentType": text}
    if len(request.path) == 2:
        binary["id"] = request.path[1]
    if security_context is not None:
        binary["securityContext"] = {"reference": security_context}
    if body:
        binary["data"] = base64.b64encode(body).decode("ascii")
    return binary


def _as_resource(body: bytes, content_type: str | None) -> Any:
    if is_fhir_type(content_type):
        return sent_format(content_type).parse(body)
    format_ = format_named(media_type_of(content_type))
    if format_ is None:
        return None
    try:
        return format_.parse(body)
    except FhirError:
        # A file that happens to be XML or JSON, such as a CDA document.
        return None
