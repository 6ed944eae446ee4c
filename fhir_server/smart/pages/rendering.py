"""Pages as they are sent: escaped throughout, kept by nobody, and without anything from elsewhere.

There are no scripts at all, and the one style sheet is our own.
https://www.w3.org/TR/CSP3/, https://cheatsheetseries.owasp.org/cheatsheets/Content_Security_Policy_Cheat_Sheet.html
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

STYLE_PATH = "/auth/style.css"

_HEADERS = {
    "cache-control": "no-store",
    # With `no-referrer` browsers send `Origin: null` with our own forms, as with those of others
    # (https://fetch.spec.whatwg.org/#append-a-request-origin-header).
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'"
)


def page(
    template: str,
    *,
    status: int = 200,
    values: Mapping[str, object] | None = None,
    may_lead_to: str | None = None,
) -> Response:
    """Return a page made of a template such as `auth/login.html`.

    A form on it may, by way of redirects, lead to the address `may_lead_to` beside our own pages.
    """
    text = _environment().get_template(template).render(style=STYLE_PATH, **(values or {}))
    policy = _POLICY if may_lead_to is None else f"{_POLICY} {_source(may_lead_to)}"
    return HTMLResponse(text, status, headers={**_HEADERS, "content-security-policy": policy})


async def style_sheet(_request: Request) -> Response:
    """Answer with the style sheet of all pages."""
    text = files(__package__).joinpath("style.css").read_text()
    return Response(text, media_type="text/css", headers={"cache-control": "max-age=3600"})


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("fhir_server.smart.pages"), autoescape=True, undefined=StrictUndefined
    )


def _source(address: str) -> str:
    """Return the origin of an address as a source of the policy; of an app's own scheme the scheme alone."""
    parts = urlsplit(address)
    if parts.scheme in ("http", "https"):
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:"
