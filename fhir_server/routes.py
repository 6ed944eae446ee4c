"""The one table of what can be asked of this server, for HTTP and for the entries of a batch alike.

https://hl7.org/fhir/R4/http.html#summary
"""

from collections.abc import Mapping

from fhir_server.asynchronous.jobs import STATUS_PATH
from fhir_server.context import Context, Handler, Request, Response, Route
from fhir_server.interactions.async_status import async_cancel, async_status
from fhir_server.interactions.batch import batch
from fhir_server.interactions.capabilities import capabilities
from fhir_server.interactions.conditional_delete import conditional_delete
from fhir_server.interactions.conditional_patch import conditional_patch
from fhir_server.interactions.conditional_update import conditional_update
from fhir_server.interactions.create import create
from fhir_server.interactions.delete import delete
from fhir_server.interactions.history import history
from fhir_server.interactions.patch import patch
from fhir_server.interactions.read import read
from fhir_server.interactions.search_compartment import search_compartment
from fhir_server.interactions.search_system import search_system
from fhir_server.interactions.search_type import search_type
from fhir_server.interactions.transaction import transaction
from fhir_server.interactions.update import update
from fhir_server.interactions.vread import vread
from fhir_server.operations.definitions import (
    OWN_DEFINITIONS,
    OWN_PARAMETERS,
    operation_definition,
    search_parameter,
)
from fhir_server.operations.registry import operation_methods, operation_route
from fhir_server.query_parameters import check_parameters
from fhir_server.responses import as_preferred
from fhir_server.write_path import check_id
from resources.definitions import resource_types
from resources.operation_outcome import InvalidContent, NotSupported, ResourceNotFound, error


async def _bundle(request: Request, context: Context) -> Response:
    """Answer a Bundle posted to the base, by its type."""
    body = request.body
    if not isinstance(body, dict) or body.get("resourceType") != "Bundle":
        raise InvalidContent(error("structure", "What is posted to the base is a Bundle", "Bundle"))
    if body.get("type") == "transaction":
        return await transaction(body, context)
    if body.get("type") == "batch":
        return await batch(body, context)
    raise InvalidContent(
        error("value", "A Bundle posted to the base is a batch or transaction", "Bundle.type")
    )


async def _capabilities(request: Request, context: Context) -> Response:
    """Answer with what the table below offers."""
    return await capabilities(request, context, ROUTES)


def _preferring(handler: Handler) -> Handler:
    """Return `handler` with the body of its answer chosen by `Prefer: return=`."""

    async def preferring(request: Request, context: Context) -> Response:
        return as_preferred(await handler(request, context), context)

    return preferring


def _plain(handler: Handler) -> Handler:
    """Return `handler`, which looks at no query, with an error for whoever sends one all the same."""

    async def plain(request: Request, context: Context) -> Response:
        check_parameters(request, context)
        return await handler(request, context)

    return plain


TYPE = "{type}"
ID = "{id}"
JOB = "{job}"
VERSION_ID = "{vid}"
MEMBER = "{member}"

_READ = Route("read", read)
_VREAD = Route("vread", vread)
_HISTORY = Route("history", history)
_CAPABILITIES = Route("capabilities", _capabilities)
_OPERATION_DEFINITION = Route("operation-definition", operation_definition)
_SEARCH_PARAMETER = Route("operation-definition", search_parameter)
_SEARCH = Route("search-type", search_type, may_wait=True)
_SEARCH_SYSTEM = Route("search-system", search_system, may_wait=True)
_SEARCH_COMPARTMENT = Route("search-compartment", search_compartment, may_wait=True)
_CREATE = Route("create", _plain(_preferring(create)))
_UPDATE = Route("update", _plain(_preferring(update)))
_PATCH = Route("patch", _plain(_preferring(patch)))
_DELETE = Route("delete", _plain(_preferring(delete)))
_CONDITIONAL_UPDATE = Route("conditional-update", _preferring(conditional_update))
_CONDITIONAL_PATCH = Route("conditional-patch", _preferring(conditional_patch))
_CONDITIONAL_DELETE = Route("conditional-delete", _preferring(conditional_delete))
_ASYNC_STATUS = Route("async-status", async_status)
_ASYNC_CANCEL = Route("async-cancel", async_cancel)
_BUNDLE = Route("batch-or-transaction", _plain(_bundle))

Methods = Mapping[str, Route]

ROUTES: Mapping[tuple[str, ...], Methods] = {
    (): {"GET": _SEARCH_SYSTEM, "HEAD": _SEARCH_SYSTEM, "POST": _BUNDLE},
    ("_search",): {"POST": _SEARCH_SYSTEM},
    ("metadata",): {"GET": _CAPABILITIES, "HEAD": _CAPABILITIES},
    (*OWN_DEFINITIONS, ID): {"GET": _OPERATION_DEFINITION, "HEAD": _OPERATION_DEFINITION},
    (*OWN_PARAMETERS, ID): {"GET": _SEARCH_PARAMETER, "HEAD": _SEARCH_PARAMETER},
    ("_history",): {"GET": _HISTORY, "HEAD": _HISTORY},
    (STATUS_PATH, JOB): {"GET": _ASYNC_STATUS, "HEAD": _ASYNC_STATUS, "DELETE": _ASYNC_CANCEL},
    (TYPE,): {
        "GET": _SEARCH,
        "HEAD": _SEARCH,
        "POST": _CREATE,
        "PUT": _CONDITIONAL_UPDATE,
        "PATCH": _CONDITIONAL_PATCH,
        "DELETE": _CONDITIONAL_DELETE,
    },
    (TYPE, "_search"): {"POST": _SEARCH},
    (TYPE, "_history"): {"GET": _HISTORY, "HEAD": _HISTORY},
    (TYPE, ID): {"GET": _READ, "HEAD": _READ, "PUT": _UPDATE, "PATCH": _PATCH, "DELETE": _DELETE},
    (TYPE, ID, MEMBER): {"GET": _SEARCH_COMPARTMENT, "HEAD": _SEARCH_COMPARTMENT},
    (TYPE, ID, MEMBER, "_search"): {"POST": _SEARCH_COMPARTMENT},
    (TYPE, ID, "_search"): {"POST": _SEARCH_COMPARTMENT},
    (TYPE, ID, "_history"): {"GET": _HISTORY, "HEAD": _HISTORY},
    (TYPE, ID, "_history", VERSION_ID): {"GET": _VREAD, "HEAD": _VREAD},
}


_FIXED = frozenset(pattern for pattern in ROUTES if not {TYPE, JOB, ID} & set(pattern))
"""The addresses without a placeholder: nobody gets anywhere by sending `{type}` itself."""


def match(request: Request) -> Route:
    """Return the interaction that `request` asks for.

    Raises ResourceNotFound for an unknown address or resource type, InvalidContent for a malformed id, and
    NotSupported for a method that the address does not take.
    """
    pattern = _pattern(request.path)
    if pattern and pattern[-1].startswith("$"):
        return operation_route(request.method, request.path)
    methods = ROUTES.get(pattern)
    if methods is None:
        raise ResourceNotFound(error("not-found", "There is nothing at this address"))
    route = methods.get(request.method)
    if route is None:
        allow = tuple(methods)
        raise NotSupported(error("not-supported", f"This address takes {', '.join(allow)} only"), allow=allow)
    return route


def allowed_methods(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the methods that the address `path` takes; raise ResourceNotFound if there is nothing there."""
    pattern = _pattern(path)
    if pattern and pattern[-1].startswith("$"):
        return operation_methods(path)
    if pattern not in ROUTES:
        raise ResourceNotFound(error("not-found", "There is nothing at this address"))
    return tuple(ROUTES[pattern])


def _pattern(path: tuple[str, ...]) -> tuple[str, ...]:
    if path in _FIXED or (len(path) == 1 and path[0].startswith("$")):
        return path
    if path[:-1] in (OWN_DEFINITIONS, OWN_PARAMETERS):
        return (*path[:-1], ID)
    if path[0] == STATUS_PATH and len(path) > 1:
        return (STATUS_PATH, JOB, *path[2:])
    if path[0] not in resource_types():
        raise ResourceNotFound(error("not-supported", "This is not a resource type of FHIR R4"))
    if len(path) == 1:
        return (TYPE,)
    if path[1].startswith(("_", "$")):
        return (TYPE, *path[1:])
    check_id(path[1])
    if path[2:3] == ("*",) or (len(path) > 2 and path[2] in resource_types()):
        return (TYPE, ID, MEMBER, *path[3:])
    return (TYPE, ID, *path[2:3], VERSION_ID, *path[4:]) if len(path) > 3 else (TYPE, ID, *path[2:])
