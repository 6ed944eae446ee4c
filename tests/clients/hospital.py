"""A hospital for real clients: a server process that asks for tokens, with people and records."""

import asyncio
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pymongo import MongoClient

from fhir_server.identifiers import new_id
from fhir_server.secrets_at_rest import new_key
from fhir_server.settings import Settings
from fhir_server.smart.accounts.passwords import Passwords
from fhir_server.smart.oauth.registration import RegistrationRules, register
from fhir_server.smart.oauth.secrets import new_secret
from fhir_server.store import Store, open_store
from fhir_server.store.accounts import Account
from tests.fhir_server.faults.server_process import running

PASSWORD = "correct horse battery"
EVERYTHING = "system/*.cruds"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_RULES = RegistrationRules(lambda: datetime.now(UTC), new_id, new_secret)

_PEOPLE = (
    ("grey", "Dr Meredith Grey", "DR", "Practitioner/grey"),
    ("anna", "Anna Muster", "PT", "Patient/anna"),
)


@dataclass(frozen=True)
class Service:
    """A backend service with a private key, which signs by a library that the server does not use."""

    client_id: str
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    algorithm: str

    token_endpoint: str

    def ask(self, scope: str, **claims: Any) -> httpx.Response:
        """Ask for a token, with other claims in the assertion where they are given."""
        form = {"grant_type": "client_credentials", "scope": scope}
        return httpx.post(self.token_endpoint, data={**form, **self._proof(claims)})

    def send(self, address: str, **form: str) -> httpx.Response:
        """Send a form to another endpoint for applications."""
        return httpx.post(address, data={**form, **self._proof({})})

    def _proof(self, claims: Mapping[str, Any]) -> dict[str, str]:
        given = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.token_endpoint,
            "exp": int(time.time()) + 200,
            "jti": uuid.uuid4().hex,
            **claims,
        }
        return {
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": jwt.encode(given, self.key, self.algorithm, {"kid": "k1"}),
        }


@dataclass(frozen=True)
class Hospital:
    """A running server; `fhir` is the base of its FHIR interface, `database` where it keeps its data."""

    fhir: str
    database: str
    mongo_url: str
    settings: Settings
    environment: Mapping[str, str]

    def command(self, *arguments: str) -> str:
        """Return what a command of the server's prints, beside the server that runs."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_")}
        return subprocess.run(
            [sys.executable, "-m", "fhir_server", *arguments],
            env={**inherited, **self.environment},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    @property
    def origin(self) -> str:
        """Where its pages are."""
        return self.fhir.removesuffix("/fhir")

    def discovered(self) -> Mapping[str, Any]:
        """Return what the server tells applications of itself."""
        found: Mapping[str, Any] = httpx.get(f"{self.fhir}/.well-known/smart-configuration").json()
        return found

    def application(self, name: str, redirect_uri: str, scope: str, **metadata: Any) -> str:
        """Register a public application, and return its client_id."""
        given = {"token_endpoint_auth_method": "none", "redirect_uris": [redirect_uri], "scope": scope}
        return self._register({"client_name": name, **given, **metadata})

    def service(self, algorithm: str = "ES384", scope: str = EVERYTHING, **more: Any) -> Service:
        """Register a backend service with a new key."""
        key = (
            ec.generate_private_key(ec.SECP384R1())
            if algorithm == "ES384"
            else rsa.generate_private_key(65537, 2048)
        )
        public = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
        metadata = {
            "client_name": algorithm,
            "token_endpoint_auth_method": "private_key_jwt",
            "grant_types": ["client_credentials"],
            "jwks": {"keys": [{**public, "kid": "k1"}]},
            "scope": scope,
        }
        token_endpoint = self.discovered()["token_endpoint"]
        return Service(self._register(metadata | more), key, algorithm, token_endpoint)

    def token(self, service: Service, scope: str = EVERYTHING) -> str:
        """Return an access token of a backend service."""
        answer = service.ask(scope)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def expire_access_tokens(self) -> None:
        """Let the time of all access tokens be over."""
        with MongoClient[dict[str, Any]](self.mongo_url) as client:
            tokens = client[self.database]["oauth_access_tokens"]
            tokens.update_many({}, {"$set": {"expires": datetime(2000, 1, 1, tzinfo=UTC)}})

    def _register(self, metadata: Mapping[str, Any]) -> str:
        client = register(metadata, _RULES, is_dynamic=False).client
        with_store(self.settings, lambda store: store.oauth.clients.add(client))
        return client.id


@contextmanager
def running_hospital(mongo_url: str, folder: Path) -> Iterator[Hospital]:
    """Start the server as it is started in a hospital, and bring in people and records."""
    database = f"test-clients-{uuid.uuid4().hex[:12]}"
    environment = {
        "FHIR_MONGO_URL": mongo_url,
        "FHIR_DATABASE": database,
        "FHIR_AUTH": "on",
        "FHIR_ENCRYPTION_KEY": new_key(),
        "FHIR_PASSWORD_ROUNDS": "1",
        "FHIR_PASSWORD_MEMORY_KIB": "8",
        "FHIR_LOG_LEVEL": "error",
    }
    settings = Settings(mongo_url=mongo_url, database=database)
    try:
        with running(folder, environment=environment) as server:
            hospital = Hospital(server.base_url, database, mongo_url, settings, environment)
            with_store(settings, _add_people)
            _bring_in_records(hospital)
            yield hospital
    finally:
        with MongoClient[dict[str, Any]](mongo_url) as client:
            client.drop_database(database)


def with_store(settings: Settings, work: Callable[[Store], Awaitable[None]]) -> None:
    """Do something with the server's database beside it."""

    async def done() -> None:
        store = open_store(settings, str(settings.mongo_url))
        try:
            await work(store)
        finally:
            await store.close()

    # In a thread of its own, as a browser that is driven has an event loop in this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, done()).result()


async def _add_people(store: Store) -> None:
    for name, display_name, role, fhir_user in _PEOPLE:
        hashed = await Passwords(1, 8).hashed(PASSWORD)
        await store.accounts.add(Account(f"id-{name}", name, display_name, hashed, (role,), fhir_user))


def _bring_in_records(hospital: Hospital) -> None:
    """Send records as another system does: by a transaction, with the token of a backend service."""
    headers = {"authorization": f"Bearer {hospital.token(hospital.service())}"}
    entries = [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
        for one in _records()
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = httpx.post(hospital.fhir, json=bundle, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text


def _records() -> Iterator[dict[str, Any]]:
    yield {"resourceType": "Practitioner", "id": "grey", "name": [{"family": "Grey"}]}
    for name, given, birth_date in (("anna", "Anna", "1980-02-03"), ("bert", "Bert", "1990-05-06")):
        yield {
            "resourceType": "Patient",
            "id": name,
            "name": [{"given": [given], "family": "Muster"}],
            "identifier": [{"system": "urn:example:mrn", "value": f"MRN-{name}"}],
            "birthDate": birth_date,
            "gender": "unknown",
            "generalPractitioner": [{"reference": "Practitioner/grey"}],
        }
    for number, title in enumerate(("Check-up", "Emergency", "Planned surgery")):
        yield {
            "resourceType": "Encounter",
            "id": f"visit-{number}",
            "status": "finished",
            "class": {"code": "AMB", "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode"},
            "type": [{"text": title}],
            "subject": {"reference": "Patient/anna" if number < 2 else "Patient/bert"},
            "period": {"start": f"202{number}-03-04T09:30:00Z", "end": f"202{number}-03-05T10:00:00Z"},
        }
    yield {
        "resourceType": "Observation",
        "id": "pulse",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": "Patient/anna"},
        "valueQuantity": {"value": 72, "unit": "/min"},
    }
