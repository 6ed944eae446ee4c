"""What a token allows, as SMART writes it: scopes read, compared, and cut down to what may be granted.

Both syntaxes are read: v2 (`patient/Observation.rs?category=...`) and v1 (`patient/Observation.read`).
https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import parse_qsl, quote

from resources.definitions import resource_types

ScopeContext = Literal["patient", "user", "system"]

CONTEXT_SCOPES = ("launch", "launch/patient", "launch/encounter")
IDENTITY_SCOPES = ("openid", "fhirUser")
REFRESH_SCOPES = ("offline_access", "online_access")
NAMED_SCOPES = frozenset((*CONTEXT_SCOPES, *IDENTITY_SCOPES, *REFRESH_SCOPES))
"""The scopes that are names, and not about resources."""

_V1_ACTIONS = {"read": frozenset("rs"), "write": frozenset("cud"), "*": frozenset("cruds")}
_SCOPE = re.compile(
    r"(?P<context>patient|user|system)/(?P<type>\*|[A-Z][A-Za-z]{1,63})"
    r"\.(?:(?P<v1>read|write|\*)|(?=[cruds])(?P<v2>c?r?u?d?s?)(?:\?(?P<query>[\x21\x23-\x5b\x5d-\x7e]+))?)"
)
# Parameters that shape an answer, or lead to other resources, say nothing about what may be seen.
_PARAMETER = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]*|_id|_lastUpdated|_profile|_security|_source|_tag)")
_MODIFIED = re.compile(rf"{_PARAMETER.pattern}(?::(?:not|in|not-in|above|below|of-type|exact|missing))?")
_MOST_PAIRS = 10


@dataclass(frozen=True, slots=True)
class Scope:
    """Access to resources of one type, `*` for all, by `actions` of "c" "r" "u" "d" "s".

    `query` are search parameters, decoded, all of which a resource must match; there are none with `*`.
    Who applies a scope must take a parameter that is unknown for the type as matching nothing.
    """

    context: ScopeContext
    resource_type: str
    actions: frozenset[str]
    query: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """Return the scope in the syntax of v2."""
        actions = "".join(letter for letter in "cruds" if letter in self.actions)
        query = "&".join(f"{quote(name, ':')}={quote(value, ':/|,.')}" for name, value in self.query)
        return f"{self.context}/{self.resource_type}.{actions}" + (f"?{query}" if query else "")


def parse_scope(text: str) -> Scope | None:
    """Return a scope about resources; None for a name such as `openid`, and for what is malformed.

    The letters must stand in the order of `cruds`, and the type must be one of R4.
    """
    found = _SCOPE.fullmatch(text)
    if found is None:
        return None
    resource_type = found["type"]
    if resource_type != "*" and resource_type not in resource_types():
        return None
    query = _parse_query(found["query"])
    if query is None or (query and resource_type == "*"):
        return None
    actions = _V1_ACTIONS[found["v1"]] if found["v1"] else frozenset(found["v2"])
    return Scope(cast(ScopeContext, found["context"]), resource_type, actions, query)


def _parse_query(text: str | None) -> tuple[tuple[str, str], ...] | None:
    if text is None:
        return ()
    try:
        pairs = parse_qsl(text, strict_parsing=True, errors="strict", max_num_fields=_MOST_PAIRS)
    except ValueError:
        return None
    is_well = bool(pairs) and all(_MODIFIED.fullmatch(name) and value.isprintable() for name, value in pairs)
    return tuple(sorted(set(pairs))) if is_well else None


def is_scope(text: str) -> bool:
    """Tell whether this server knows what `text` means."""
    return text in NAMED_SCOPES or parse_scope(text) is not None


def covers(granted: Iterable[str], requested: str) -> bool:
    """Tell whether all that the scope `requested` allows is allowed by `granted`, taken together.

    A restriction to a query is covered by one with the same or fewer parameters. What is malformed is covered
    by nothing. `patient/`, `user/` and `system/` are never compared with one another.
    """
    wanted = parse_scope(requested)
    if wanted is None:
        return requested in NAMED_SCOPES and requested in granted
    given: set[str] = set()
    for scope in _parsed(granted):
        if _reaches(scope, wanted) and set(scope.query) <= set(wanted.query):
            given |= scope.actions
    return wanted.actions <= given


def narrow(requested: Iterable[str], allowed: Iterable[str]) -> tuple[str, ...]:
    """Return what of `requested` is `allowed`, in the order of the request, each once.

    A scope that is wholly allowed stays as it was written; of others the allowed part remains, such as
    `patient/Patient.r` of `patient/*.rs`. What is malformed or unknown falls away.
    """
    allowed = tuple(allowed)
    parts: dict[str, None] = {}
    for text in requested:
        if covers(allowed, text):
            parts[text] = None
        elif (wanted := parse_scope(text)) is not None:
            parts.update((str(part), None) for part in _shared(wanted, _parsed(allowed)))
    return tuple(parts)


def _shared(wanted: Scope, allowed: Iterable[Scope]) -> Iterator[Scope]:
    for scope in allowed:
        actions = wanted.actions & scope.actions
        if not actions or not (_reaches(scope, wanted) or _reaches(wanted, scope)):
            continue
        resource_type = scope.resource_type if wanted.resource_type == "*" else wanted.resource_type
        query = tuple(sorted({*wanted.query, *scope.query}))
        yield Scope(wanted.context, resource_type, actions, query)


def _reaches(scope: Scope, other: Scope) -> bool:
    return scope.context == other.context and scope.resource_type in ("*", other.resource_type)


def _parsed(scopes: Iterable[str]) -> Iterator[Scope]:
    return (scope for text in scopes if (scope := parse_scope(text)) is not None)
