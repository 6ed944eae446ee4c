"""The application put together: settings, store, the FHIR interface at /fhir, health checks beside it.

The only place where the parts are wired; uvicorn calls `create_app` in each worker process.
"""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route

from adapters.applying import Apply
from fhir_server import __version__
from fhir_server.asynchronous.jobs import Jobs
from fhir_server.audit.actor import actor_of
from fhir_server.audit.recorder import Recorder
from fhir_server.audit.trail import Trail
from fhir_server.audit.wiring import recorder_of, security_record, watched
from fhir_server.context import Context
from fhir_server.endpoint import FhirEndpoint
from fhir_server.formats import JSON
from fhir_server.health import add_health
from fhir_server.hl7v2.applying import Applying
from fhir_server.hl7v2.ports import channels_of, destinations_of
from fhir_server.hl7v2.routes import message_route
from fhir_server.hl7v2.sending import Sender
from fhir_server.hl7v2.wiring import Messages
from fhir_server.identifiers import new_id
from fhir_server.logs import configure_logs
from fhir_server.papers.routes import paper_routes
from fhir_server.processes.announcement import local_base_url
from fhir_server.processes.ending import end
from fhir_server.processes.serving import MESSAGES
from fhir_server.reindexing.walk import Pace
from fhir_server.reindexing.worker import ReindexWorker
from fhir_server.routes import match
from fhir_server.settings import Settings
from fhir_server.smart.access.admission import Admission, Authenticate
from fhir_server.smart.access.consent_list import DenyingConsents
from fhir_server.smart.access.roles import load_matrix
from fhir_server.smart.access.treatment import Treatment
from fhir_server.smart.accounts.desk import BirthDate, Register
from fhir_server.smart.accounts.people import People
from fhir_server.smart.accounts.routes import account_desk, account_routes
from fhir_server.smart.oauth.accounts import Accounts
from fhir_server.smart.oauth.operator_tokens import OPERATOR
from fhir_server.smart.oauth.principals import principal_of
from fhir_server.smart.oauth.routes import authorization_server, oauth_routes
from fhir_server.smart.openid.trust import trusted_provider
from fhir_server.smart.principal import Principal
from fhir_server.store import Store, open_store
from fhir_server.transport.gate import Gate
from fhir_server.transport.loopback import LoopbackOnly
from fhir_server.transport.throttling import Throttle
from fhir_server.workflows.billing import webhook
from fhir_server.workflows.billing.gateways import stripe_of
from fhir_server.workflows.clock import Clock, NewContext
from fhir_server.workflows.hl7v2.telling import Messages as ToldMessages
from fhir_server.workflows.modes import parse_modes
from fhir_server.workflows.registration.self_registration import birth_date, registrar
from fhir_server.workflows.registry import PATTERNS
from fhir_server.workflows.rulebook import RuleBook, ruled
from fhir_server.workflows.services import services_of
from resources.operation_outcome import Issue, StoreUnavailable, operation_outcome

_FHIR_PATH = "/fhir"
_PARTING_SECONDS = 2.0

NewApply = Callable[[NewContext, RuleBook], Apply]
"""Makes what applies HL7 v2 messages, in contexts of the server's own and by the hospital's rules."""


def create_app(
    settings: Settings | None = None,
    authenticate: Authenticate | None = None,
    accounts: Accounts | None = None,
    new_apply: NewApply | None = None,
) -> Gate:
    """Return the ASGI application; `settings` come from the environment if they are not given.

    If they say that requests need a token, there is an authorization server, whose tokens let them in: for
    the people who have accounts here, or for those whom `accounts` know. If they name an OpenID provider, its
    tokens do beside these, or alone. Otherwise `authenticate` says whom an access token stands for; without
    it everybody on this machine may do everything, and nobody else may do anything, whatever address the
    application is served on. HL7 v2 messages are applied by what `new_apply` makes, if it is given.

    Raises ValueError if no MongoDB is named (`fhir-server serve` names one to its workers), or if there is to
    be an authorization server and no key to encrypt with.
    """
    settings = settings or Settings()
    if settings.mongo_url is None:
        raise ValueError("FHIR_MONGO_URL is not set; start the server with `fhir-server serve`")
    configure_logs(settings)
    store = open_store(settings, settings.mongo_url)
    jobs, recorder = Jobs(store.async_jobs), recorder_of(store)
    pace = Pace(settings.reindex_batch_size, settings.reindex_load_percent)
    worker = ReindexWorker(store, pace, now=lambda: datetime.now(UTC))
    told = destinations_of(settings)
    modes = parse_modes(settings.workflows_off, settings.workflows_warn)
    rules = RuleBook(PATTERNS, modes, store, ToldMessages(told) if told else None)
    own_contexts = _own_contexts(store, settings, jobs, recorder)
    clock = Clock(store, rules, services_of(settings), own_contexts)
    messages = _messages(settings, store, own_contexts, rules, new_apply)

    sender = Sender(told, lambda: ruled(own_contexts(new_id()), rules, is_reported=True)) if told else None

    app = FastAPI(
        title="FHIR R4 hospital server",
        version=__version__,
        lifespan=_lifespan(store, worker, jobs, clock, recorder, messages, sender),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.add_exception_handler(HTTPException, _outcome_of_framework)
    add_health(app, store, settings, lambda: worker.outdated, _now)
    newcomers = registrar(own_contexts, rules), birth_date(own_contexts)
    admission, accounts = _entrance(app, store, settings, recorder, authenticate, accounts, newcomers)
    if messages is not None:
        route = message_route(messages.inbound, admission, settings.max_body_bytes)
        app.router.routes.append(route)
    endpoint = FhirEndpoint(store, settings, jobs, admission, recorder, rules, messages, prefix=_FHIR_PATH)
    app.router.routes += [Route(_FHIR_PATH, endpoint), Mount(_FHIR_PATH, endpoint)]
    _add_payments(app, settings, lambda: ruled(own_contexts(new_id()), rules))
    own_base_url = settings.base_url or local_base_url(settings, settings.port)
    app.router.routes += paper_routes(store, recorder, own_base_url, _now)
    is_registered = None if accounts is None else store.oauth.clients.has_origin
    guarded = app if admission is not None else _without_tokens(app, settings)
    return Gate(guarded, settings, prefix=_FHIR_PATH, is_registered=is_registered)


def _lifespan(
    store: Store,
    worker: ReindexWorker,
    jobs: Jobs,
    clock: Clock,
    recorder: Recorder | None,
    messages: Messages | None,
    sender: Sender | None,
) -> Callable[[FastAPI], AbstractAsyncContextManager[dict[str, object]]]:
    """Return what begins and ends with the application; the server finds in its state who takes messages."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, object]]:
        _collect_garbage_less_often()
        leftovers = asyncio.create_task(_end_left_open(store))
        worker.start()
        clock.start()
        if recorder is not None:
            recorder.start()
        if messages is not None:
            messages.start()
        if sender is not None:
            sender.start()
        yield {} if messages is None else {MESSAGES: messages}
        if messages is not None:
            await messages.stop()
        if sender is not None:
            await sender.stop()
        await end(leftovers, _PARTING_SECONDS)
        await jobs.stop()
        await clock.stop()
        await worker.stop()
        if recorder is not None:
            await recorder.stop()
        # The driver would tell a database that may have fallen silent, and wait for an answer.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PARTING_SECONDS):
                await store.close()

    return lifespan


def _messages(
    settings: Settings,
    store: Store,
    own_contexts: NewContext,
    rules: RuleBook,
    new_apply: NewApply | None,
) -> Messages | None:
    """Return what takes HL7 v2 messages, if there is a file of channels."""
    if settings.channels is None:
        return None
    applying = Applying(own_contexts, rules)
    apply = applying.apply if new_apply is None else new_apply(own_contexts, rules)
    return Messages(channels_of(settings), store, apply, applying.preview)


def _own_contexts(store: Store, settings: Settings, jobs: Jobs, recorder: Recorder | None) -> NewContext:
    """Return what makes the contexts in which the server acts by itself; what it changes goes on record."""
    base_url = settings.base_url or local_base_url(settings, settings.port)
    itself = Principal(client_id=OPERATOR, scopes=())

    def own_context(request_id: str) -> Context:
        seen, trail = store, None
        if recorder is not None:
            trail = Trail(recorder, request_id, base_url, "", _now, new_id)
            trail.knows(itself)
            seen = store.witnessed(trail)
        return Context(base_url, seen, settings, _now, new_id, match, jobs, trail=trail)

    return own_context


def _now() -> datetime:
    return datetime.now(UTC)


def _entrance(
    app: FastAPI,
    store: Store,
    settings: Settings,
    recorder: Recorder | None,
    authenticate: Authenticate | None,
    accounts: Accounts | None,
    newcomers: tuple[Register, BirthDate],
) -> tuple[Admission | None, Accounts | None]:
    """Add the pages and endpoints by which people and applications come in; return what lets requests in.

    Beside it are the people who may sign in here, if anybody may. `newcomers` makes the records of people who
    make an account themselves, and tells whether a date of birth is right.
    """
    provider = trusted_provider(settings) if settings.auth == "on" else None
    if settings.auth == "on" and accounts is None and not (provider and provider.is_alone):
        record = security_record(store, settings, recorder)
        register, born = newcomers
        desk = account_desk(store.accounts, settings, record, _now, register, born)
        accounts = People(store.accounts, desk.sessions, desk.now)
        app.router.routes += account_routes(desk)
    if accounts is not None:
        authenticate = _by_own_tokens(store, accounts)
    if provider is not None:
        authenticate = provider.beside(authenticate)
        app.router.routes += provider.routes()
    admission = None if authenticate is None else _admission(store, settings, authenticate)
    if accounts is not None and admission is not None:
        app.router.routes += _authorization_routes(store, settings, accounts, admission, recorder)
    return admission, accounts


def _without_tokens(app: FastAPI, settings: Settings) -> LoopbackOnly:
    structlog.get_logger().warning("no request needs a token: all records are open to this machine")
    return LoopbackOnly(app, settings.base_url)


def _by_own_tokens(store: Store, accounts: Accounts) -> Authenticate:
    async def authenticate(token: str) -> Principal | None:
        return await principal_of(store, accounts, token, datetime.now(UTC))

    return authenticate


def _authorization_routes(
    store: Store,
    settings: Settings,
    accounts: Accounts,
    admission: Admission,
    recorder: Recorder | None,
) -> list[Route]:
    async def seen_by(principal: Principal, base_url: str, address: str) -> Store:
        seen = await admission.seen_by(principal, store, base_url, datetime.now(UTC))
        return watched(seen, recorder, actor_of(principal, base_url, address))

    record = security_record(store, settings, recorder)
    return oauth_routes(authorization_server(store, settings, accounts, seen_by, record))


def _admission(store: Store, settings: Settings, authenticate: Authenticate) -> Admission:
    matrix = load_matrix(settings.roles)
    throttle = Throttle(settings.token_requests_per_second, settings.token_request_burst)
    return Admission(authenticate, Treatment(store, matrix), DenyingConsents(store), matrix, throttle)


async def _end_left_open(store: Store) -> None:
    """Free what processes that were killed before hold, as soon as the database answers."""
    while True:
        with contextlib.suppress(StoreUnavailable):
            number = await store.end_left_open()
            if number:
                structlog.get_logger().warning("transactions of killed processes are ended", number=number)
            return
        await asyncio.sleep(1.0)


def _collect_garbage_less_often() -> None:
    """Spare the collector of reference cycles the walk over bundles, which are trees of a million objects.

    With Python's own thresholds a load of Synthea spent 12 to 16 % of its processor time there (measured).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def _outcome_of_framework(_request: Request, failure: Exception) -> Response:
    """Let what FastAPI itself refuses (an unknown address, a wrong method) be told in FHIR's form as well."""
    status = failure.status_code if isinstance(failure, HTTPException) else 500
    code = "not-found" if status == 404 else "not-supported"
    issue = Issue("error", code, f"The FHIR interface is at {_FHIR_PATH}; see {_FHIR_PATH}/metadata")
    return JSONResponse(operation_outcome([issue]), status, media_type=JSON.media_type)


def _add_payments(app: FastAPI, settings: Settings, new_context: Callable[[], Context]) -> None:
    """Let Stripe tell of payments, if the hospital has an account there."""
    stripe = stripe_of(settings)
    if stripe is None:
        return

    async def told(request: Request) -> Response:
        """Take what Stripe tells; its signature is its way in."""
        signature = request.headers.get("stripe-signature", "")
        try:
            status = await webhook.answer(stripe, request.stream(), signature, new_context())
        except StoreUnavailable:
            status = 503
        return Response(status_code=status)

    app.router.routes.append(Route("/payments/stripe", told, methods=["POST"]))
