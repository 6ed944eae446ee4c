"""`POST /hl7v2`: one HL7 v2 message as the body of a request, its acknowledgment as the answer.

As HL7 over HTTP has it, whatever an acknowledgment says is a success of the transport: 200. Other statuses
say that there is none. https://hapifhir.github.io/hapi-hl7v2/hapi-hl7overhttp/specification.html
"""

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.channels import Peer
from adapters.inbound import Inbound
from fhir_server.errors import error_response
from fhir_server.formats import JSON
from fhir_server.smart.access.admission import Admission
from fhir_server.smart.oauth.scopes import parse_scope
from fhir_server.smart.principal import Principal
from resources.operation_outcome import (
    ContentTooLarge,
    FhirError,
    Forbidden,
    InvalidContent,
    UnsupportedMediaType,
    error,
)

PATH = "/hl7v2"
SCOPE = "system/MessageHeader.c"
"""What a backend service needs to send messages: to a FHIR server, it creates MessageHeaders."""

_TYPE = "x-application/hl7-v2+er7"
_TYPES = frozenset({_TYPE, "application/hl7-v2", "application/hl7-v2+er7"})


def message_route(inbound: Inbound, admission: Admission | None, most_bytes: int) -> Route:
    """Return the route; `admission` knows callers by their tokens, None where nobody is asked for one."""

    async def take(request: Request) -> Response:
        try:
            peer = await _peer(request, admission)
            _check_type(request)
            data = await _body(request, most_bytes)
            taken = await inbound.take(data, peer)
            answer = await taken.application() or taken.accept
            if answer is None and taken.is_unanswerable:
                message = (
                    "This is no HL7 v2 message that could be answered: MSH, or its control id, is missing"
                )
                raise InvalidContent(error("structure", message))
        except FhirError as failure:
            return _refusal(failure)
        except ClientDisconnect:
            return Response(status_code=400)
        headers = {"cache-control": "no-store"}
        return Response(answer, 204, headers) if answer is None else Response(answer, 200, headers, _TYPE)

    return Route(PATH, take, methods=["POST"])


async def _peer(request: Request, admission: Admission | None) -> Peer:
    address = request.client.host if request.client else ""
    if admission is None:
        return Peer(address, listener="http")
    principal = await admission.known(request.headers.get("authorization"))
    if not _may_send(principal):
        raise Forbidden(error("forbidden", f"Messages are sent by backend services with the scope {SCOPE}"))
    return Peer(address, client=principal.client_id, listener="http")


def _may_send(principal: Principal) -> bool:
    if principal.account_id is not None:
        return False
    scopes = (parse_scope(text) for text in principal.scopes)
    return any(
        one is not None
        and one.context == "system"
        and one.resource_type in ("*", "MessageHeader")
        and "c" in one.actions
        and not one.query
        for one in scopes
    )


def _check_type(request: Request) -> None:
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent not in _TYPES:
        raise UnsupportedMediaType(error("not-supported", f"A message is sent as {_TYPE}"))


async def _body(request: Request, most_bytes: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > most_bytes:
            raise ContentTooLarge(error("too-long", f"A message has {most_bytes} bytes at most"))
        pieces.append(piece)
    return b"".join(pieces)


def _refusal(failure: FhirError) -> Response:
    response = error_response(failure)
    return JSONResponse(response.resource, response.status, dict(response.headers), JSON.media_type)
