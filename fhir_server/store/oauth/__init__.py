"""What the authorization server keeps: applications, launches, consents, tokens and keys.

Whatever proves something (codes, tokens, secrets of applications) is kept as a SHA-256 of 256 random bits, so
that a copy of the database lets nobody in. Nothing here decides who may have what; see `smart/oauth`.
"""

from fhir_server.store.connection import Database
from fhir_server.store.oauth.authorizations import (
    Authorization,
    AuthorizationCode,
    AuthorizationStore,
    Launch,
    LaunchContext,
)
from fhir_server.store.oauth.clients import Client, ClientStore
from fhir_server.store.oauth.grants import AccessToken, Grant, GrantStore, RefreshToken
from fhir_server.store.oauth.signing_keys import SigningKeyStore, StoredKey

__all__ = [
    "AccessToken",
    "Authorization",
    "AuthorizationCode",
    "AuthorizationStore",
    "Client",
    "ClientStore",
    "Grant",
    "GrantStore",
    "Launch",
    "LaunchContext",
    "OAuthStore",
    "RefreshToken",
    "SigningKeyStore",
    "StoredKey",
]


class OAuthStore:
    """All of it in one database."""

    def __init__(self, database: Database) -> None:
        """Keep it in `database`, in collections whose names begin with `oauth_`."""
        self.clients = ClientStore(database)
        self.authorizations = AuthorizationStore(database)
        self.grants = GrantStore(database)
        self.signing_keys = SigningKeyStore(database)
