"""An authorization server with people, applications and a clock that tests set, talked to as over HTTP."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from fhir_server.search.extraction import search_values
from fhir_server.smart.events import SecurityEvent
from fhir_server.smart.oauth.accounts import Person, Session
from fhir_server.smart.oauth.assertions import ASSERTION_TYPE
from fhir_server.smart.oauth.launches import create_launch
from fhir_server.smart.oauth.registration import Registration, register
from fhir_server.smart.oauth.secrets import challenge_of
from fhir_server.smart.oauth.server import AuthorizationServer, SeenBy
from fhir_server.smart.principal import Principal
from fhir_server.store import Store, Write

ORIGIN = "http://localhost"
FHIR = f"{ORIGIN}/fhir"
TOKEN = f"{ORIGIN}/oauth/token"
REDIRECT = "https://app.example.org/callback"
VERIFIER = "v" * 64
STATE = "state-that-nobody-guesses"
SCOPE = (
    "openid fhirUser launch launch/patient launch/encounter offline_access online_access "
    "patient/*.rs user/*.rs"
)

DOCTOR = Person("account-doctor", "Dr Grey", frozenset({"DR"}), "Practitioner/grey")
NURSE = Person("account-nurse", "Nurse Carter", frozenset({"RN"}), "Practitioner/carter")
PATIENT = Person("account-patient", "Anna Muster", frozenset({"PT"}), "Patient/anna")
PARENT = Person("account-parent", "Paula Muster", frozenset({"PT"}), "Patient/paula", ("anna", "ben"))
ADMINISTRATOR = Person("account-admin", "Ada Min", frozenset({"AD"}), None)


class Http:
    """A client that talks to the application in this process, in an event loop that goes on between calls."""

    def __init__(self, app: Starlette, runner: asyncio.Runner) -> None:
        self.runner = runner
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Send a GET."""
        return self.runner.run(self._client.get(path, **options))

    def post(self, path: str, **options: Any) -> httpx.Response:
        """Send a POST."""
        return self.runner.run(self._client.post(path, **options))

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request of any method."""
        return self.runner.run(self._client.request(method, path, **options))


class Clock:
    """A clock that goes only when it is told to."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        """Return the present."""
        return self.time

    def wait(self, **time: float) -> None:
        """Let time pass."""
        self.time += timedelta(**time)


class _Sight:
    """What is seen of patients, in place of the rules of access."""

    def __init__(self, principal: Principal) -> None:
        self._own: list[str] | None = None
        if "PT" in principal.roles:
            self._own = [(principal.fhir_user or "").removeprefix("Patient/"), *principal.patients]

    def visible(self, resource_type: str) -> dict[str, Any]:
        """Return the condition for what is seen."""
        if resource_type != "Patient":
            return {"_id": {"$ne": "secret"}}
        return {"_id": {"$ne": "secret"} if self._own is None else {"$in": self._own}}

    def sees(self, resource: Mapping[str, Any]) -> bool:
        """Tell the same of one resource."""
        return bool(resource["id"] != "secret" if self._own is None else resource["id"] in self._own)

    def shown(self, resource: dict[str, Any]) -> dict[str, Any]:
        """Show all of it."""
        return resource

    def check(self, write: Write, live: dict[str, Any] | None) -> None:
        """Let nothing be written."""
        raise AssertionError


class People:
    """Accounts whose session is told by a header, in place of those with passwords and cookies."""

    def __init__(self) -> None:
        self.people = {one.account_id: one for one in (DOCTOR, NURSE, PATIENT, PARENT, ADMINISTRATOR)}
        self.ended: set[str] = set()

    def seen_by(self, store: Store) -> SeenBy:
        """Let staff see all patients but the one who is secret, and patients only themselves."""

        async def seen(principal: Principal, _base_url: str, _address: str) -> Store:
            return store.guarded(_Sight(principal))

        return seen

    async def session_of(self, request: Request) -> Session | None:
        """Return the session of the person whom the header names."""
        person = self.people.get(request.headers.get("x-account", ""))
        session_id = request.headers.get("x-session", f"session of {person and person.account_id}")
        if person is None or session_id in self.ended:
            return None
        return Session(session_id, person, f"csrf of {person.account_id}")

    async def is_genuine(self, request: Request, session: Session, csrf_token: str) -> bool:
        """Compare the token with the session's."""
        return csrf_token == session.csrf_token

    def sign_in(self, request: Request, return_to: str) -> Response:
        """Lead to a page that is not here."""
        return RedirectResponse(httpx.URL("/auth/login", params={"next": return_to}).__str__(), 303)

    async def person(self, account_id: str) -> Person | None:
        """Return a person who was not removed."""
        return self.people.get(account_id)

    async def person_called(self, user_name: str) -> Person | None:
        """Return the person whose account has this as the end of its id."""
        return self.people.get(f"account-{user_name}")

    async def has_session(self, session_id: str) -> bool:
        """Tell whether nobody ended the session."""
        return session_id not in self.ended

    def page(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        values: Mapping[str, object] | None = None,
        may_lead_to: str | None = None,
    ) -> Response:
        """Return what would be on the page."""
        shown = {"template": template, "values": values or {}, "may_lead_to": may_lead_to}
        return JSONResponse(json.loads(json.dumps(shown, default=_plain)), status)


def _plain(value: object) -> object:
    names = getattr(value, "__dataclass_fields__", None)
    return str(value) if names is None else {name: getattr(value, name) for name in names}


@dataclass(frozen=True)
class Key:
    """A key pair of an application."""

    private: ECKey | RSAKey
    id: str
    algorithm: str

    @property
    def jwks(self) -> dict[str, Any]:
        """The public half as a JWK Set."""
        return {"keys": [dict(self.private.as_dict(private=False)) | {"kid": self.id}]}

    def assertion(
        self, client_id: str, now: datetime, header: Mapping[str, Any] | None = None, **claims: Any
    ) -> str:
        """Return a signed assertion of the application, with other claims where they are given."""
        given = {
            "iss": client_id,
            "sub": client_id,
            "aud": TOKEN,
            "exp": int(now.timestamp()) + 200,
            "jti": f"{client_id} {claims} {header} {now}",
        } | claims
        head = {"alg": self.algorithm, "kid": self.id, **(header or {})}
        head = {name: value for name, value in head.items() if value is not None}
        return jwt.encode(head, given, self.private, algorithms=[head["alg"]])


def key(algorithm: str = "ES384", key_id: str = "k1") -> Key:
    """Return a new key pair."""
    private = ECKey.generate_key("P-384") if algorithm == "ES384" else RSAKey.generate_key(2048)
    return Key(private, key_id, algorithm)


@dataclass
class World:
    """All of it; `http` follows no redirects."""

    server: AuthorizationServer
    http: "Http"
    people: People
    clock: Clock
    events: list[SecurityEvent]
    apps: dict[str, Registration] = field(default_factory=dict)

    def run(self, work: Any) -> Any:
        """Carry out a coroutine in the server's loop."""
        return self.http.runner.run(work)

    def app(self, **metadata: Any) -> Registration:
        """Register an application as an administrator does; a public one if nothing else is said."""
        given = {
            "client_name": "Growth Chart",
            "token_endpoint_auth_method": "none",
            "redirect_uris": [REDIRECT],
            "scope": SCOPE,
        } | metadata
        registered = register(given, self.server.rules, is_dynamic=False)
        self.run(self.server.oauth.clients.add(registered.client))
        return registered

    def store_patient(self, patient_id: str, **elements: Any) -> None:
        """Store a patient."""
        self.store({"resourceType": "Patient", "id": patient_id, **elements})

    def store_encounter(self, encounter_id: str, patient_id: str, start: str, **elements: Any) -> None:
        """Store an encounter of a patient."""
        encounter = {
            "resourceType": "Encounter",
            "id": encounter_id,
            "status": "finished",
            "class": {"code": "AMB", "display": "ambulatory"},
            "subject": {"reference": f"Patient/{patient_id}"},
            "period": {"start": start},
        }
        self.store(encounter | elements)

    def store(self, resource: dict[str, Any]) -> None:
        """Store a resource."""
        resource_type = resource["resourceType"]
        write = Write("PUT", resource_type, resource["id"], resource, search_values(resource))
        self.run(_commit(self.server.store, write))

    def launch(self, person: Person = DOCTOR, **context: Any) -> str:
        """Open an application from within the EHR."""
        handle: str = self.run(create_launch(self.server, person.account_id, **context))
        return handle

    def ask(self, app: str, /, *, method: str = "GET", **parameters: Any) -> httpx.Response:
        """Send the browser to the authorization endpoint; None leaves a parameter out."""
        given = {
            "response_type": "code",
            "client_id": app,
            "redirect_uri": REDIRECT,
            "scope": SCOPE,
            "state": STATE,
            "aud": FHIR,
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
        } | parameters
        sent = {name: value for name, value in given.items() if value is not None}
        if method == "POST":
            return self.http.post("/oauth/authorize", data=sent)
        return self.http.get("/oauth/authorize", params=sent)

    def page(self, handle: str, person: Person | None = DOCTOR, **headers: str) -> httpx.Response:
        """Look at the page where a request is answered."""
        return self.http.get("/oauth/consent", params={"request": handle}, headers=_headers(person) | headers)

    def answer(
        self, handle: str, person: Person = DOCTOR, scopes: str = SCOPE, **fields: Any
    ) -> httpx.Response:
        """Send the form of such a page: consent to all, if nothing else is said."""
        form = {
            "request": handle,
            "csrf_token": f"csrf of {person.account_id}",
            "decision": "allow",
            "scope": scopes.split(),
        } | fields
        sent = {name: value for name, value in form.items() if value is not None}
        return self.http.post("/oauth/consent", data=sent, headers=_headers(person))

    def code(self, client_id: str, person: Person = PATIENT, **parameters: Any) -> str:
        """Go through the pages with consent to all that is asked for, and return the code."""
        handle = handle_in(self.ask(client_id, **parameters))
        assert self.page(handle, person).status_code == 200
        return returned(self.answer(handle, person, parameters.get("scope", SCOPE)))["code"]

    def exchange(self, app: str | None, with_code: str, /, **form: Any) -> httpx.Response:
        """Send a code to the token endpoint, as a public application does."""
        given = {
            "grant_type": "authorization_code",
            "client_id": app,
            "code": with_code,
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
        } | form
        headers = given.pop("headers", {})
        sent = {name: value for name, value in given.items() if value is not None}
        return self.http.post("/oauth/token", data=sent, headers=headers)

    def tokens(self, client_id: str, person: Person = PATIENT, **parameters: Any) -> dict[str, Any]:
        """Go all the way to tokens."""
        answer = self.exchange(client_id, self.code(client_id, person, **parameters))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def refresh(self, client_id: str, token: str, **form: Any) -> httpx.Response:
        """Ask for new tokens."""
        given = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": token} | form
        return self.http.post("/oauth/token", data=given)

    def service(self, assertion: str, scope: str = "system/*.rs", **form: Any) -> httpx.Response:
        """Ask for a token as a backend service."""
        given = {
            "grant_type": "client_credentials",
            "scope": scope,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
        } | form
        return self.http.post("/oauth/token", data=given)

    def principal(self, token: str) -> Any:
        """Return whom a token stands for."""
        from fhir_server.smart.oauth.principals import principal_of

        return self.run(principal_of(self.server.store, self.people, token, self.clock()))


async def _commit(store: Store, write: Write) -> None:
    await store.commit([write])


def _headers(person: Person | None) -> dict[str, str]:
    return {} if person is None else {"x-account": person.account_id}


def handle_in(answer: httpx.Response) -> str:
    """Return the handle of the request to which the authorization endpoint leads."""
    assert answer.status_code == 303, answer.text
    found = re.fullmatch(r"/oauth/consent\?request=([\w-]{43})", answer.headers["location"])
    assert found is not None, answer.headers["location"]
    return found[1]


def returned(answer: httpx.Response, redirect_uri: str = REDIRECT) -> dict[str, str]:
    """Return what the application is told at its own address."""
    assert answer.status_code == 303, answer.text
    parts = urlsplit(answer.headers["location"])
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == redirect_uri
    return dict(parse_qsl(parts.query))
