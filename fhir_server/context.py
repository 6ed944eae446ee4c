"""What one request carries through all layers: from where, by which preferences, against which store."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from fhir_server.asynchronous.jobs import Jobs
    from fhir_server.audit.trail import Trail
    from fhir_server.hl7v2.wiring import Messages
    from fhir_server.settings import Settings
    from fhir_server.smart.principal import Principal
    from fhir_server.store import Store

ReturnPreference = Literal["minimal", "representation", "OperationOutcome"]


@dataclass(frozen=True, slots=True)
class Preferences:
    """The `Prefer` header (https://hl7.org/fhir/R4/http.html#ops); None where the client said nothing."""

    returns: ReturnPreference | None = None
    lenient: bool = False
    respond_async: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """Everything that a handler may use; no handler reaches the store in another way.

    `base_url` is the address of the FHIR interface as the client sees it, without a slash at the end; `now`
    is the clock (aware, UTC) and `new_id` makes logical ids, both handed in so that tests can fix them.
    `match` asks the route table, through which the entries of a batch go like any other request.
    `jobs` are the requests that nobody waits for, and `client` is the network address that this one is from.
    `principal` is the caller, None where nobody is asked who they are; for a caller `store` and `match` are
    what the access rules leave of them. `trail` puts what is done on record, None where nothing is. An import
    brings in records as they are, and nothing follows from them. `messages` takes HL7 v2 messages, if any are
    taken here.
    """

    base_url: str
    store: "Store"
    settings: "Settings"
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    match: Callable[["Request"], "Route"]
    jobs: "Jobs"
    client: str = ""
    preferences: Preferences = field(default=Preferences())
    principal: "Principal | None" = None
    trail: "Trail | None" = None
    is_import: bool = False
    messages: "Messages | None" = None

    @property
    def asker(self) -> str:
        """Who asks, as text: the application and the person, or the network address where nobody is known."""
        if self.principal is None:
            return self.client
        return f"{self.principal.client_id} {self.principal.account_id or ''}"


@dataclass(frozen=True, slots=True)
class Request:
    """One FHIR interaction as asked for, by HTTP or by an entry of a batch or transaction.

    `path` are the segments after the base; `query` the decoded pairs in their order; `body` the parsed JSON,
    a Patch where it is one, or None where there is none. The conditions are the header values, or the
    elements of `Bundle.entry.request` of the same meaning.
    """

    method: str
    path: tuple[str, ...]
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None
    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_none_exist: str | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What an interaction answers, before it is rendered as HTTP or as `Bundle.entry.response`.

    `version` and `last_modified` give `ETag` and `Last-Modified`; `location` is relative to the base. `allow`
    are the methods, and `accept_patch` the media types of patches, that would have been taken. `document` is
    JSON that is no resource, sent by HTTP instead of one.
    """

    status: int
    resource: dict[str, Any] | None = None
    version: int | None = None
    last_modified: datetime | None = None
    location: str | None = None
    allow: tuple[str, ...] = ()
    accept_patch: tuple[str, ...] = ()
    document: Any = None
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[Request, Context], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """An interaction: its code (as CapabilityStatement has it, where it does) and what carries it out.

    One that `is_safe` changes nothing, whatever the method.
    One that `may_wait` only reads, and is carried out without the client waiting if it prefers that.
    """

    code: str
    handler: Handler
    is_safe: bool = False
    may_wait: bool = False
