"""The two addresses of papers beside the FHIR interface: a link that opens one, a code that checks one.

Whatever is wrong with a link, the answer is the same. https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.5
"""

from collections.abc import Callable
from datetime import datetime
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from fhir_server.audit.actor import actor_of
from fhir_server.audit.events import Access
from fhir_server.audit.patterns import pattern_of
from fhir_server.audit.recorder import Recorder
from fhir_server.papers.links import Opened, checked, opened
from fhir_server.smart.principal import Principal
from fhir_server.store import Store

_LINK = Principal(client_id="paper-link", scopes=())
_HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>body{{font:1.1rem system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem}}</style>
<h1>{title}</h1><p>{text}</p></html>"""
_STATES = {
    "valid": "This document is valid",
    "superseded": "This document was replaced or withdrawn",
    "unknown": "No such document",
}


def paper_routes(
    store: Store, recorder: Recorder | None, base_url: str, now: Callable[[], datetime]
) -> list[Route]:
    """Return the routes; `recorder` puts every opening on record, to the patient's records."""

    async def document(request: Request) -> Response:
        moment = now()
        paper = await opened(store, request.path_params["token"], moment)
        if paper is None:
            text = "The link is not valid, or not any more. Please sign in, or ask the hospital for another."
            page = _PAGE.format(title="Nothing here", text=text)
            return HTMLResponse(page, 404, headers=_HEADERS)
        if recorder is not None and request.method == "GET":
            recorder.add(_access(paper, request, moment))
            await recorder.flush()
        name = "".join(one if one.isascii() and one.isalnum() else "-" for one in paper.title)
        file = {"content-disposition": f'inline; filename="{name}.pdf"'}
        return Response(paper.content, media_type=paper.content_type, headers=_HEADERS | file)

    def _access(paper: Opened, request: Request, moment: datetime) -> Access:
        address = request.client.host if request.client else ""
        touched = {paper.patient.partition("/")[2]: [paper.binary]}
        return Access(actor_of(_LINK, base_url, address), pattern_of("read"), moment, "", touched)

    async def verify(request: Request) -> Response:
        found = await checked(store, request.path_params["code"])
        status = 404 if found.state == "unknown" else 200
        if "text/html" not in request.headers.get("accept", ""):
            told = {"state": found.state, "kind": found.kind, "date": found.date}
            return JSONResponse(
                {name: value for name, value in told.items() if value}, status, headers=_HEADERS
            )
        text = escape(" of ".join(one for one in (found.kind, found.date) if one))
        return HTMLResponse(_PAGE.format(title=_STATES[found.state], text=text), status, headers=_HEADERS)

    return [Route("/documents/{token}", document), Route("/verify/{code}", verify)]
