"""Applications that are registered (https://www.rfc-editor.org/rfc/rfc7591#section-2)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pymongo import ASCENDING

from fhir_server.store.connection import Database
from fhir_server.store.failures import translated_failures
from fhir_server.store.oauth.expiring import as_record, as_value

_CLIENTS = "oauth_clients"

AuthenticationMethod = Literal["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]


@dataclass(frozen=True, slots=True)
class Client:
    """One application.

    `method` is how it proves who it is at the token endpoint: by nothing if it is public, by a secret of
    which `secret_hash` is kept, or by a key of which the public half is in `jwks` (a JSON text) or at
    `jwks_uri`. `scopes` are the most that it may get; `origins` are the web origins of its pages, for CORS.
    Its id_tokens are signed with `signing_algorithm`.
    One that `is_dynamic` registered itself, and nobody here looked at it. One that `may_launch` is an EHR,
    which opens other applications for people who are signed in there.
    """

    id: str
    name: str
    method: AuthenticationMethod
    grant_types: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    origins: tuple[str, ...]
    created: datetime
    secret_hash: str | None = None
    jwks: str | None = None
    jwks_uri: str | None = None
    launch_uri: str | None = None
    signing_algorithm: Literal["RS256", "ES256"] = "RS256"
    is_dynamic: bool = False
    may_launch: bool = False

    @property
    def is_confidential(self) -> bool:
        """Whether it can prove who it is."""
        return self.method != "none"


class ClientStore:
    """The applications of one database."""

    def __init__(self, database: Database) -> None:
        """Keep them in `database`."""
        self._clients = database[_CLIENTS]

    async def add(self, client: Client) -> None:
        """Keep a new application."""
        with translated_failures():
            await self._clients.create_index([("origins", ASCENDING)], name="origins")
            await self._clients.insert_one(as_record(client))

    async def replace(self, client: Client) -> bool:
        """Keep an application as it is now; False if there is none of its id."""
        with translated_failures():
            result = await self._clients.replace_one({"_id": client.id}, as_record(client))
            return bool(result.matched_count)

    async def get(self, client_id: str) -> Client | None:
        """Return an application, None if there is none of that id."""
        with translated_failures():
            found = await self._clients.find_one({"_id": str(client_id)})
            return None if found is None else as_value(Client, found)

    async def all(self) -> list[Client]:
        """Return all applications, in the order of their registration."""
        with translated_failures():
            found = await self._clients.find().sort("created", ASCENDING).to_list()
            return [as_value(Client, record) for record in found]

    async def has_origin(self, origin: str) -> bool:
        """Tell whether a page of any application has the web origin `origin`."""
        with translated_failures():
            return await self._clients.find_one({"origins": str(origin)}, {"_id": 1}) is not None

    async def remove(self, client_id: str) -> bool:
        """Forget an application; False if there is none. What it was granted must be revoked beside this."""
        with translated_failures():
            return bool((await self._clients.delete_one({"_id": str(client_id)})).deleted_count)
