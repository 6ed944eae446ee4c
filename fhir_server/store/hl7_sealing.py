"""HL7 v2 messages as they lie in the database: compressed, and encrypted with a key of their own.

That key is among the shared keys, itself encrypted with FHIR_ENCRYPTION_KEY: when that one is replaced, one
text is encrypted anew and not millions. AES-256 in Galois/Counter Mode, as in `secrets_at_rest`.
https://doi.org/10.6028/NIST.SP.800-38D
"""

import os
import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime

from bson.binary import Binary
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession

from fhir_server.secrets_at_rest import CannotOpen, Keyring, NoEncryptionKey
from fhir_server.store.audit.log import PLAIN
from fhir_server.store.connection import Database
from fhir_server.store.failures import translated_failures
from fhir_server.store.keys import shared_key

KEY_NAME = "hl7-messages"
KEY_RECORD = "keys/hl7-messages"
PIECES = "hl7_pieces"

_KEY_BYTES = 32
_NONCE_BYTES = 12
# Level 1 makes a result of 3,465 bytes one of 1,200 in 45 µs.
_LEVEL = 1
# MongoDB's documents have 16 MiB at most; a longer message is kept in pieces.
_MOST_BYTES = 8 * 1024 * 1024


class SealedMessages:
    """Seals and opens the messages of one database."""

    def __init__(self, database: Database, secrets: Keyring) -> None:
        """Keep the key, which `secrets` encrypt, in `database`."""
        self._database = database
        self._pieces = database[PIECES]
        self._secrets = secrets
        self._cipher: AESGCM | None = None

    async def prepare(self) -> None:
        """Get the key, made if there is none yet; raise CannotOpen if it is encrypted with an unknown one."""
        if self._cipher is None:
            with translated_failures():
                await self._pieces.create_indexes(
                    [
                        IndexModel([("entry", ASCENDING)], name="entry"),
                        IndexModel([("expires", ASCENDING)], name="expires", expireAfterSeconds=0),
                    ]
                )
                async with self._database.client.start_session() as session:
                    kept = await shared_key(self._database, KEY_NAME, self._new_key(), session)
            text = (
                kept.removeprefix(PLAIN) if kept.startswith(PLAIN) else self._secrets.open(kept, KEY_RECORD)
            )
            self._cipher = AESGCM(b64decode(text))

    def _new_key(self) -> str:
        text = b64encode(os.urandom(_KEY_BYTES)).decode()
        try:
            return self._secrets.seal(text, KEY_RECORD)
        except NoEncryptionKey:
            return PLAIN + text  # whoever reads the database can read the messages then

    def seal(self, data: bytes, record: str) -> Binary:
        """Return `data` encrypted for `record`, such as `hl7_inbox/1/data`; `prepare` was called before."""
        nonce = os.urandom(_NONCE_BYTES)
        packed = zlib.compress(data, _LEVEL)
        return Binary(nonce + self._ready().encrypt(nonce, packed, record.encode()))

    def open(self, sealed: bytes, record: str) -> bytes:
        """Return what was sealed for `record`; raise CannotOpen if this is not it."""
        try:
            packed = self._ready().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], record.encode())
        except InvalidTag:
            raise CannotOpen("This message was changed, or belongs to another record") from None
        return zlib.decompress(packed)

    def is_long(self, sealed: bytes) -> bool:
        """Tell whether a sealed message is to be kept in pieces."""
        return len(sealed) > _MOST_BYTES

    async def keep_pieces(
        self, entry_id: str, sealed: bytes, session: AsyncClientSession | None = None
    ) -> int:
        """Keep a long message beside its entry, before that is stored; return in how many pieces.

        With a `session` they are stored in its transaction, or not at all.
        """
        parts = [sealed[start : start + _MOST_BYTES] for start in range(0, len(sealed), _MOST_BYTES)]
        for number, part in enumerate(parts):
            # One at a time: a command to MongoDB has 48 MB at most.
            await self._pieces.insert_one(
                {"_id": f"{entry_id}/{number}", "entry": entry_id, "data": Binary(part)}, session=session
            )
        return len(parts)

    async def pieces(self, entry_id: str, count: int) -> bytes:
        """Return a message that is kept in pieces."""
        keys: Sequence[str] = [f"{entry_id}/{number}" for number in range(count)]
        found = {one["_id"]: one["data"] async for one in self._pieces.find({"_id": {"$in": keys}})}
        return b"".join(found[key] for key in keys)

    async def let_expire(self, entry_id: str, at: datetime | None) -> None:
        """Have the pieces of an entry go when it does; never without a time."""
        change = {"$unset": {"expires": ""}} if at is None else {"$set": {"expires": at}}
        await self._pieces.update_many({"entry": entry_id}, change)

    def _ready(self) -> AESGCM:
        assert self._cipher is not None  # noqa: S101 - every way here leads over `prepare`
        return self._cipher
