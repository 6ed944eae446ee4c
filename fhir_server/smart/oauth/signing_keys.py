"""The keys that id_tokens are signed with, and how they follow one another.

A key signs for a while and is then replaced; its public half is published until all that it signed has
expired. Several processes may make one at the same time, which does no harm: all of them are published.
https://openid.net/specs/openid-connect-core-1_0.html#RotateSigKeys
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from fhir_server.secrets_at_rest import CannotOpen, Keyring
from fhir_server.store.oauth import SigningKeyStore, StoredKey
from fhir_server.store.sealed_texts import signing_key_record

Algorithm = Literal["RS256", "ES256"]
ALGORITHMS: tuple[Algorithm, ...] = ("RS256", "ES256")

_RSA_BITS = 2048


class SigningKeys:
    """The signing keys of one server, shared by its processes through the database."""

    def __init__(
        self,
        store: SigningKeyStore,
        keyring: Keyring,
        now: Callable[[], datetime],
        *,
        signs_for: timedelta,
        good_for: timedelta,
    ) -> None:
        """Keep keys in `store`, encrypted by `keyring`.

        Each `signs_for` a time, and what it signs is `good_for` another.
        """
        self._store = store
        self._keyring = keyring
        self._now = now
        self._signs_for = signs_for
        self._good_for = good_for
        self._opened: dict[str, RSAKey | ECKey] = {}

    async def sign(self, claims: Mapping[str, Any], algorithm: Algorithm) -> str:
        """Return `claims` as a JWT, signed with the present key; raise NoEncryptionKey if there is none."""
        key_id, key = await self._present(algorithm)
        return jwt.encode({"alg": algorithm, "kid": key_id}, dict(claims), key, algorithms=[algorithm])

    async def published(self) -> Mapping[str, Any]:
        """Return the JWK Set of all keys whose signatures still count, at least one for each algorithm."""
        for algorithm in ALGORITHMS:
            await self._present(algorithm)
        return {"keys": [json.loads(key.public) for key in await self._store.published(self._now())]}

    async def _present(self, algorithm: Algorithm) -> tuple[str, RSAKey | ECKey]:
        now = self._now()
        for stored in await self._store.published(now):
            if stored.algorithm == algorithm and now < stored.signs_until:
                key = self._open(stored)
                if key is not None:
                    return stored.id, key
        return await self._make(algorithm)

    def _open(self, stored: StoredKey) -> RSAKey | ECKey | None:
        if stored.id not in self._opened:
            try:
                private = json.loads(self._keyring.open(stored.sealed, signing_key_record(stored.id)))
            except CannotOpen:
                return None  # the encryption key was replaced: a new signing key is made
            self._opened = {stored.id: _imported(private)} | self._opened
        return self._opened[stored.id]

    async def _make(self, algorithm: Algorithm) -> tuple[str, RSAKey | ECKey]:
        key = await asyncio.to_thread(_generated, algorithm)
        key_id, now = key.thumbprint(), self._now()
        public = key.as_dict(private=False) | {"kid": key_id, "use": "sig", "alg": algorithm}
        sealed = self._keyring.seal(json.dumps(key.as_dict(private=True)), signing_key_record(key_id))
        signs_until = now + self._signs_for
        expires = signs_until + self._good_for
        stored = StoredKey(key_id, algorithm, json.dumps(public), sealed, now, signs_until, expires)
        await self._store.add(stored)
        self._opened[key_id] = key
        return key_id, key


def _generated(algorithm: Algorithm) -> RSAKey | ECKey:
    return RSAKey.generate_key(_RSA_BITS) if algorithm == "RS256" else ECKey.generate_key("P-256")


def _imported(private: dict[str, Any]) -> RSAKey | ECKey:
    return RSAKey.import_key(private) if private["kty"] == "RSA" else ECKey.import_key(private)
