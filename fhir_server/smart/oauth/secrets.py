"""Random values that prove something, and the hashes by which they are stored.

With 256 random bits a fast hash is enough, as there is nothing to guess.
https://www.rfc-editor.org/rfc/rfc6749#section-10.10
"""

import hashlib
import secrets
from base64 import urlsafe_b64encode

_BYTES = 32


def new_secret() -> str:
    """Return 256 random bits as 43 characters that an address may hold."""
    return secrets.token_urlsafe(_BYTES)


def hashed(secret: str) -> str:
    """Return the SHA-256 by which a secret is stored and found again."""
    return hashlib.sha256(secret.encode()).hexdigest()


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a code verifier (https://www.rfc-editor.org/rfc/rfc7636#section-4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
