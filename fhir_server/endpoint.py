"""The HTTP face of the FHIR interface: bytes in, one interaction, bytes out, one line in the log.

It is an ASGI application without a framework's machinery in between, since every request passes here.
https://hl7.org/fhir/R4/http.html, https://asgi.readthedocs.io/en/stable/specs/www.html
"""

import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog

from fhir_server import metrics
from fhir_server.asynchronous.jobs import Jobs
from fhir_server.audit.provenance import sent_provenance
from fhir_server.audit.recorder import Recorder
from fhir_server.audit.trail import Trail
from fhir_server.binary_content import is_read_of_binary, is_write_of_binary, sent_binary, wants_content
from fhir_server.bundle_requests import is_reading
from fhir_server.context import Context, Request, Response, Route
from fhir_server.errors import error_response
from fhir_server.formats import JSON, accepted_format, best_format, sent_format
from fhir_server.graphql.requests import Sent
from fhir_server.hl7v2.wiring import Messages
from fhir_server.identifiers import new_id
from fhir_server.negotiation import check_host, is_pretty, parse_prefer
from fhir_server.patches import sent_patch
from fhir_server.query_string import Pairs, as_utf8, parse_pairs
from fhir_server.responses import HttpAnswer, add_request_ids, as_file, as_http
from fhir_server.routes import allowed_methods, match
from fhir_server.settings import Settings
from fhir_server.smart.access.admission import Admission
from fhir_server.store import Store
from fhir_server.store.audit.log import AUDIT_EVENT
from fhir_server.workflows.rulebook import RuleBook, ruled
from resources.custom_parameters import using
from resources.operation_outcome import (
    ContentTooLarge,
    FhirError,
    Issue,
    StoreUnavailable,
    Throttled,
    UnsupportedMediaType,
    error,
    operation_outcome,
)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_FORM = "application/x-www-form-urlencoded"
_PROVENANCE = b"x-provenance"
_OPERATION = "operation"
_IMPORT = b"x-import"


class ClientDisconnectedError(Exception):
    """The client went away before its request was complete."""


class FhirEndpoint:
    """Serves the FHIR interface under one path of the server."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        jobs: Jobs,
        admission: Admission | None = None,
        recorder: Recorder | None = None,
        rules: RuleBook | None = None,
        messages: Messages | None = None,
        *,
        prefix: str,
    ) -> None:
        """Answer from `store`, within the bounds of `settings`; `prefix` is the path of the base.

        `jobs` takes the requests that the client does not wait for. `admission` lets requests in; without one
        everybody may do everything. `recorder` puts what is done on record. `rules` are those of the
        hospital's work. `messages` takes HL7 v2 messages.
        """
        self._messages = messages
        self._rules = rules
        self._recorder = recorder
        self._admission = admission
        self._prefix = prefix
        self._jobs = jobs
        self._store = store
        self._settings = settings
        self._log = structlog.get_logger("fhir_server.requests")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; log one line that says nothing of any patient."""
        started = time.perf_counter()
        request_id = new_id()
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        path = scope["path"].removeprefix(self._prefix)
        context = self._context(scope, headers, request_id)
        exchange = _Exchange(scope, path, headers, context, self._admission, self._recorder, self._rules)
        try:
            answer = await self._answer(exchange, receive, request_id)
        except ClientDisconnectedError:
            return
        add_request_ids(answer.headers, request_id, headers.get(b"x-request-id"))
        await _send(send, answer, with_body=scope["method"] != "HEAD")
        seconds = time.perf_counter() - started
        metrics.answered(exchange.interaction, exchange.resource_type, answer.status, seconds)
        self._log.info(
            "request",
            request_id=request_id,
            method=scope["method"],
            interaction=exchange.interaction,
            resource_type=exchange.resource_type,
            status=answer.status,
            milliseconds=round(seconds * 1000, 2),
        )

    async def _answer(self, exchange: "_Exchange", receive: Receive, request_id: str) -> HttpAnswer:
        try:
            return await exchange.answer(receive)
        except FhirError as failure:
            if exchange.interaction == _OPERATION:  # which may refuse before it stores anything
                metrics.refused(failure)
            exchange.refused(failure)
            return exchange.render(error_response(failure))
        except ClientDisconnectedError:
            raise
        except Exception:
            # The traceback stays here; the client gets the number under which we find it.
            self._log.exception("request failed", request_id=request_id, interaction=exchange.interaction)
            exchange.failed()
            issue = Issue("fatal", "exception", f"Something went wrong here; its number is {request_id}")
            return exchange.render(Response(500, operation_outcome([issue])))

    def _context(self, scope: Scope, headers: Mapping[bytes, str], request_id: str) -> Context:
        base_url = self._settings.base_url or f"{_origin(scope, headers)}{self._prefix}"
        client = (scope.get("client") or ("",))[0]
        trail: Trail | None = None
        store = self._store
        find_route: Callable[[Request], Route] = match
        if self._recorder is not None or _PROVENANCE in headers:
            trail = Trail(self._recorder, request_id, base_url, client, _now, new_id)
            store, find_route = self._store.witnessed(trail), trail.recording(match)
        return Context(
            base_url=base_url,
            store=store,
            settings=self._settings,
            now=_now,
            new_id=new_id,
            match=find_route,
            jobs=self._jobs,
            client=client,
            preferences=parse_prefer(headers.get(b"prefer")),
            trail=trail,
            is_import=headers.get(_IMPORT, "").strip().lower() == "records",
            messages=self._messages,
        )


class _Exchange:
    """One request on its way: what is known of it so far, for the answer and for the log."""

    def __init__(
        self,
        scope: Scope,
        path: str,
        headers: Mapping[bytes, str],
        context: Context,
        admission: Admission | None,
        recorder: Recorder | None,
        rules: RuleBook | None,
    ) -> None:
        self._rules = rules
        self._admission = admission
        self._recorder = recorder
        self._scope = scope
        self._path = path.strip("/")
        self._headers = headers
        self._context = context
        self._format = JSON
        self._pretty = False
        self.interaction = "unknown"
        self.resource_type: str | None = None
        self._asked: tuple[Request, Route] | None = None

    async def answer(self, receive: Receive) -> HttpAnswer:
        """Carry out the request; raise FhirError for all that the client is to be told."""
        self._format = best_format(self._headers.get(b"accept")) or JSON
        check_host(self._headers.get(b"host"))
        query = parse_pairs(self._scope["query_string"])
        request = self._request(query)
        is_file = self._choose_form(request)
        if request.method == "OPTIONS":
            return self.render(Response(204, allow=allowed_methods(request.path)))
        route = self._context.match(request)
        self._asked = request, route
        self.interaction = route.code
        if request.path:
            self.resource_type = request.path[0]
        await self._use_custom_parameters()
        if self._recorder is not None:
            self._recorder.check()
        if self._admission is not None:
            authorization = self._headers.get(b"authorization")
            self._context = await self._admission.admitted(request, route, authorization, self._context)
        if self._rules is not None:
            self._context = ruled(self._context, self._rules)
        if self._recorder is not None and self.resource_type == AUDIT_EVENT:
            await self._recorder.flush()  # lest whoever asks misses what happened just now
        if self._context.trail and _PROVENANCE in self._headers and not is_reading(request, route):
            self._context.trail.provenance = sent_provenance(self._headers[_PROVENANCE])
        if request.method in ("POST", "PUT", "PATCH"):
            request = self._with_body(request, await self._body(receive))
        if route.may_wait and self._context.preferences.respond_async and request.method != "HEAD":
            return self.render(await self._context.jobs.start(request, route, self._context))
        response = await route.handler(request, self._context)
        if is_file:
            return self._file_or_resource(response)
        return self.render(response)

    async def _use_custom_parameters(self) -> None:
        """Let the request go by the search parameters that there are now, from its beginning to its end."""
        try:
            using(await self._context.store.custom_parameters())
        except StoreUnavailable:
            if self.interaction != "capabilities":  # what FHIR itself defines is told without a database
                raise

    def _choose_form(self, request: Request) -> bool:
        """Choose how to answer; return whether that may be a file, whose type is not known yet."""
        accept, formats = self._headers.get(b"accept"), _values("_format", request.query)
        self._pretty = is_pretty(_values("_pretty", request.query))
        if is_read_of_binary(request):
            return True
        self._format = accepted_format(accept, formats[0] if formats else None)
        return False

    def _file_or_resource(self, response: Response) -> HttpAnswer:
        accept = self._headers.get(b"accept")
        if wants_content(response, accept):
            return as_file(response, self._context)
        self._format = accepted_format(accept, None)
        return self.render(response)

    def refused(self, failure: FhirError) -> None:
        """Put on record that the request was refused, if it is known what it was about."""
        if isinstance(failure, Throttled):
            return  # each record would cost more than what was refused
        if self._context.trail is not None and self._asked is not None:
            self._context.trail.refused(*self._asked, failure)

    def failed(self) -> None:
        """Put on record that the request failed through our own fault."""
        if self._context.trail is not None and self._asked is not None:
            self._context.trail.failed(*self._asked, 500, "exception")

    def render(self, response: Response) -> HttpAnswer:
        """Return `response` as HTTP."""
        return as_http(response, self._context, self._format, pretty=self._pretty)

    def _request(self, query: Pairs) -> Request:
        get = self._headers.get
        return Request(
            self._scope["method"],
            tuple(self._path.split("/")) if self._path else (),
            query,
            if_match=get(b"if-match"),
            if_none_match=get(b"if-none-match"),
            if_modified_since=get(b"if-modified-since"),
            if_none_exist=as_utf8(get(b"if-none-exist")),
        )

    def _with_body(self, request: Request, body: bytes) -> Request:
        content_type = self._headers.get(b"content-type")
        if request.path[-1:] == ("_search",):
            if (content_type or "").partition(";")[0].strip().lower() != _FORM:
                raise UnsupportedMediaType(error("not-supported", f"A search is posted as {_FORM}"))
            return replace(request, query=(*request.query, *parse_pairs(body)))
        if request.method == "PATCH":
            return replace(request, body=sent_patch(content_type, body))
        if not body and request.path and request.path[-1].startswith("$"):
            return request  # an operation without parameters, or with all of them in the address
        if request.path[-1:] == ("$graphql",):
            return replace(request, body=Sent(body, content_type))
        if is_write_of_binary(request):
            security_context = self._headers.get(b"x-security-context")
            return replace(request, body=sent_binary(request, body, content_type, security_context))
        return replace(request, body=sent_format(content_type).parse(body))

    async def _body(self, receive: Receive) -> bytes:
        limit = self._context.settings.max_body_bytes
        if self._headers.get(b"content-encoding", "identity").lower() != "identity":
            raise UnsupportedMediaType(error("not-supported", "Bodies are read uncompressed only"))
        if _length(self._headers.get(b"content-length")) > limit:
            raise _too_large(limit)
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnectedError
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise _too_large(limit)
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)


def _now() -> datetime:
    return datetime.now(UTC)


def _values(name: str, query: Pairs) -> list[str]:
    return [value for other, value in query if other == name and value]


def _origin(scope: Scope, headers: Mapping[bytes, str]) -> str:
    host = headers.get(b"host")
    if host is None:  # HTTP/1.0: the address that the client is connected to
        name, port = scope.get("server") or ("localhost", None)
        host = name if port is None else f"{name}:{port}"
    return f"{scope['scheme']}://{host}"


def _length(header: str | None) -> int:
    return int(header) if header is not None and header.isdecimal() and len(header) < 19 else 0


def _too_large(limit: int) -> ContentTooLarge:
    return ContentTooLarge(error("too-long", f"The body is larger than {limit} bytes"))


async def _send(send: Send, answer: HttpAnswer, *, with_body: bool) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body if with_body else b""})
