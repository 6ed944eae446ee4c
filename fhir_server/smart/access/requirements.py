"""What a request needs to be let in at all, before it is known which resources it is about.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources
"""

from collections.abc import Mapping

from fhir_server.context import Request, Route
from fhir_server.search.explaining import EXPLAIN
from fhir_server.smart.access.grants import CREATE_BY_UPDATE, Caller, actions_of_scopes
from fhir_server.smart.access.guard import AccessGuard
from resources.definitions import resource_types
from resources.operation_outcome import Forbidden, NotSupported, error

PUBLIC = frozenset({"capabilities"})
"""The interactions that need no token."""

IMPORT = "import"
"""The name under which the roles are listed that may bring in records as they are."""

_RECORD = "AuditEvent"
_CHANGES = frozenset(
    {"update", "patch", "delete", "conditional-update", "conditional-patch", "conditional-delete"}
)
# An emergency begins with no access.
_FOR_ALL_SCOPES = frozenset({"break-glass"})
# The letters of scopes, of which one is enough.
_NEEDED: Mapping[str, str] = {
    "read": "r",
    "vread": "r",
    "history": "r",
    "search-type": "s",
    "create": "c",
    "update": f"cu{CREATE_BY_UPDATE}",
    "patch": "u",
    "delete": "d",
    "conditional-update": f"cu{CREATE_BY_UPDATE}",
    "conditional-patch": "u",
    "conditional-delete": "d",
}


def check(request: Request, route: Route, caller: Caller, guard: AccessGuard) -> None:
    """Raise Forbidden unless the caller may do what the request asks for with some resource of its type.

    With which of them is for the store to say, through the guard.
    """
    _check_explanation(request, caller)
    if route.code == "operation":
        _check_operation(request, route, caller, guard)
        return
    if route.code == "search-compartment":
        member = request.path[2] if len(request.path) > 2 else "*"
        if member in resource_types() and not guard.may("s", member):
            raise _forbidden(f"search for {member}")
        return
    needed = _NEEDED.get(route.code)
    resource_type = request.path[0] if request.path else ""
    if needed is None or resource_type not in resource_types():
        return  # over several types, each of which is looked at by itself
    if not guard.may(needed, resource_type):
        if resource_type == _RECORD and route.code in _CHANGES and guard.may("rs", resource_type):
            message = "What is on record is changed by nobody, whatever their role"
            raise NotSupported(error("not-supported", message), allow=("GET", "HEAD"))
        raise _forbidden(f"{route.code} {resource_type}")


def _check_operation(request: Request, route: Route, caller: Caller, guard: AccessGuard) -> None:
    code = request.path[-1].removeprefix("$")
    resource_type = request.path[0] if request.path[0] in resource_types() else "*"
    check_role(code, caller, request.path[0])
    if caller.matrix.callers(code, request.path[0]) is not None:
        # What is for some roles is for them whatever else they may do, within what the application may.
        needed = frozenset("rs" if route.is_safe else "cud")
        if code not in _FOR_ALL_SCOPES and not actions_of_scopes(caller.principal, resource_type) & needed:
            raise _forbidden(f"${code}")
    elif resource_type != "*" and not guard.may("rs" if route.is_safe else "cu", resource_type):
        raise _forbidden(f"${code} on {resource_type}")


def check_role(code: str, caller: Caller, resource_type: str | None = None) -> None:
    """Raise Forbidden if the operation (on that type) is for some roles, and the caller has none of them.

    A backend service needs the scope for everything.
    """
    allowed = caller.matrix.callers(code, resource_type)
    if allowed is None:
        return
    principal = caller.principal
    is_system = principal.account_id is None and "system/*.cruds" in principal.scopes
    if not is_system and not principal.roles & allowed:
        raise _forbidden(f"${code}")


def _check_explanation(request: Request, caller: Caller) -> None:
    if any(name == EXPLAIN for name, _ in request.query):
        check_role("explain", caller)


def _forbidden(what: str) -> Forbidden:
    message = f"Your role or the scopes of this application do not allow this: {what}"
    return Forbidden(error("forbidden", message))
