"""Secrets that the server must be able to read again, encrypted before they reach the database.

What is only compared (tokens, passwords) is stored as a hash instead. AES-256 in Galois/Counter Mode with a
random nonce for each text (https://doi.org/10.6028/NIST.SP.800-38D); the keys are the setting
FHIR_ENCRYPTION_KEY.
"""

import binascii
import hashlib
import os
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_FORM = "1"
_KEY_BYTES = 32
# "The 96-bit nonce" of section 8.2.2; random ones are good for 2**32 texts by one key.
_NONCE_BYTES = 12
_KEY_ID_DIGITS = 8


class NoEncryptionKey(Exception):
    """There is no key, so that no secret can be kept."""

    def __init__(self) -> None:
        super().__init__("FHIR_ENCRYPTION_KEY is not set, and without a key no secret is stored")


class CannotOpen(Exception):
    """A stored secret was changed, belongs to another record, or its key is gone. Tells nothing of it."""


class Keyring:
    """The keys that stored secrets are encrypted with: the first for new ones, all of them for reading."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        """Use `keys`, of 32 bytes each; without any, nothing can be sealed."""
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._ciphers)})"

    def seal(self, secret: str, record: str) -> str:
        """Return `secret` encrypted, as text to be stored in `record`.

        `record` names the place, such as `accounts/17/totp`: moved to another, the text cannot be opened.
        Raises NoEncryptionKey.
        """
        if not self._ciphers:
            raise NoEncryptionKey
        key_id, cipher = next(iter(self._ciphers.items()))
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + cipher.encrypt(nonce, secret.encode(), _associated(key_id, record))
        return f"{_FORM}.{key_id}.{urlsafe_b64encode(sealed).decode()}"

    def open(self, sealed: str, record: str) -> str:
        """Return the secret that was sealed for `record`; raise CannotOpen if this is not it."""
        form, key_id, encoded = _parts(sealed)
        cipher = self._ciphers.get(key_id)
        if form != _FORM or cipher is None:
            raise CannotOpen("No key that is known opens this secret")
        try:
            data = urlsafe_b64decode(encoded)
            secret = cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _associated(key_id, record))
        except (InvalidTag, ValueError):
            raise CannotOpen("This secret was changed, or belongs to another record") from None
        return secret.decode()

    def is_outdated(self, sealed: str) -> bool:
        """Tell whether `sealed` was encrypted with another key than new secrets are: seal it again then."""
        return _parts(sealed)[1] != next(iter(self._ciphers), None)


def keyring(setting: str | None) -> Keyring:
    """Return the keys of FHIR_ENCRYPTION_KEY: each 32 bytes in base64, with commas between them.

    Raises ValueError, with a message that does not tell the setting, if it is something else.
    """
    return Keyring(_key(text.strip()) for text in (setting or "").split(",") if text.strip())


def new_key() -> str:
    """Return a random key in the form of the setting."""
    return binascii.b2a_base64(os.urandom(_KEY_BYTES), newline=False).decode()


def _key(text: str) -> bytes:
    try:
        key = b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ValueError("a key is 32 random bytes in base64, as `openssl rand -base64 32` makes them")
    return key


def _key_id(key: bytes) -> str:
    # Of a key that is random, a short hash gives nothing away, and nobody has to think of a name.
    return hashlib.sha256(b"fhir-server key id:" + key).hexdigest()[:_KEY_ID_DIGITS]


def _associated(key_id: str, record: str) -> bytes:
    return f"{_FORM}.{key_id}.{record}".encode()


def _parts(sealed: str) -> tuple[str, str, str]:
    form, _, rest = sealed.partition(".")
    key_id, _, encoded = rest.partition(".")
    return form, key_id, encoded
