"""Key pairs of backend services: the private half in a file of the service, the public half registered.

A file is a JWK; `client_id` in it is a member of our own, which others must pass over.
https://www.rfc-editor.org/rfc/rfc7517#section-4,
https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys
"""

import json
import os
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from fhir_server.smart.oauth.assertions import ALGORITHMS

_PRIVATE_FILE = 0o600
_CLIENT_ID = "client_id"
_MOST_BYTES = 64 * 1024


class UnusableKeyPair(Exception):
    """A file holds no private key for assertions; the message is one line, and tells nothing of a key."""


def new_key_pair() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a new private key for ES384, and the JWK Set with its public half."""
    key = ECKey.generate_key("P-384")
    named = {"kid": key.thumbprint(), "use": "sig", "alg": "ES384"}
    return dict(key.as_dict(private=True)) | named, {"keys": [dict(key.as_dict(private=False)) | named]}


def write_private_key(path: Path, private: dict[str, Any], client_id: str) -> None:
    """Write a key, and whose it is, into a new file that only its owner may read; raise OSError otherwise."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
    with os.fdopen(descriptor, "w") as file:
        json.dump(private | {_CLIENT_ID: client_id}, file, indent=1)
        file.write("\n")


def read_private_key(path: Path) -> tuple[RSAKey | ECKey, str, str | None]:
    """Return the key in a file, the algorithm to sign with, and whose it is if the file says that.

    Raises UnusableKeyPair.
    """
    try:
        with path.open("rb") as file:
            jwk = json.loads(file.read(_MOST_BYTES))
    except OSError as failure:
        raise UnusableKeyPair(f"{path} cannot be read ({failure.strerror})") from None
    except (ValueError, RecursionError):
        raise UnusableKeyPair(f"{path} is no JWK, which is JSON") from None
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str) or "d" not in jwk:
        raise UnusableKeyPair(f"{path} is no private JWK with a `kid`")
    client_id = jwk.pop(_CLIENT_ID, None)
    try:
        key = _imported(jwk)
    except (JoseError, ValueError, TypeError, KeyError):
        key = None
    if key is None:
        raise UnusableKeyPair(f"{path} has no key for {' or '.join(ALGORITHMS)}")
    return (
        key,
        "RS384" if key.key_type == "RSA" else "ES384",
        client_id if isinstance(client_id, str) else None,
    )


def _imported(jwk: dict[str, Any]) -> RSAKey | ECKey | None:
    if jwk.get("kty") == "RSA":
        return RSAKey.import_key(jwk)
    return ECKey.import_key(jwk) if (jwk.get("kty"), jwk.get("crv")) == ("EC", "P-384") else None
