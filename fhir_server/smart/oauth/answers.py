"""How the endpoints answer: applications by JSON, which nobody keeps, and people by pages; failures too."""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fhir_server.smart.oauth.errors import OAuthError
from fhir_server.smart.oauth.server import AuthorizationServer
from resources.operation_outcome import FhirError, StoreUnavailable

Work = Callable[[AuthorizationServer, Request], Awaitable[Response]]

_NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}
_UNAUTHORIZED = 401
_ANY_ORIGIN = {"access-control-allow-origin": "*"}


def unkept(document: Mapping[str, Any], status: int = 200) -> Response:
    """Return JSON that nobody may keep, as tokens are in it."""
    return JSONResponse(document, status, headers=_NO_STORE)


def public(document: Mapping[str, Any]) -> Response:
    """Return JSON that anybody may read."""
    return JSONResponse(document, headers=_ANY_ORIGIN)


async def answer_to_application(server: AuthorizationServer, request: Request, work: Work) -> Response:
    """Return what `work` answers, or its refusal as JSON."""
    try:
        return await work(server, request)
    except OAuthError as failure:
        response = unkept(failure.document, failure.status)
        if failure.status == _UNAUTHORIZED:  # https://www.rfc-editor.org/rfc/rfc6749#section-5.2
            response.headers["www-authenticate"] = 'Basic realm="oauth", charset="UTF-8"'
        return response
    except StoreUnavailable:
        return unkept({"error": "temporarily_unavailable"}, 503)
    except Exception:
        return unkept(_unknown(), 500)


async def answer_to_person(server: AuthorizationServer, request: Request, work: Work) -> Response:
    """Return what `work` answers, or a page that says that something went wrong."""
    try:
        return await work(server, request)
    except OAuthError:
        return server.accounts.page(request, "oauth/refused.html", status=400)
    except FhirError:
        return server.accounts.page(request, "oauth/failed.html", status=503)
    except Exception:
        return server.accounts.page(request, "oauth/failed.html", status=500, values=_unknown())


def _unknown() -> Mapping[str, str]:
    """Log what nobody thought of with a number, and return the number."""
    number = uuid.uuid4().hex
    structlog.get_logger("fhir_server.oauth").exception("request failed", request_id=number)
    return {
        "error": "server_error",
        "error_description": f"Something went wrong here; its number is {number}",
    }
