"""A little OpenID provider: discovery and keys on the loopback interface, and tokens as it likes."""

import hashlib
import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import SSLContext
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from joserfc.jwk import ECKey, RSAKey

AUDIENCE = "https://fhir.hospital.example/fhir"
_DISCOVERY = "/.well-known/openid-configuration"


@dataclass
class StubProvider:
    """What it publishes, and what it was asked for; `is_down` lets it answer nothing."""

    issuer: str = ""
    keys: dict[str, RSAKey | ECKey] = field(default_factory=dict)
    more_keys: list[dict[str, Any]] = field(default_factory=list)
    document: dict[str, Any] = field(default_factory=dict)
    is_down: bool = False
    asked: list[str] = field(default_factory=list)

    def rotate(self, key_id: str, *, keep: bool = False) -> None:
        """Sign with a new key; the old ones are published no more unless they are kept."""
        if not keep:
            self.keys = {}
        self.keys[key_id] = RSAKey.generate_key(2048)

    def answer(self, path: str) -> dict[str, Any] | None:
        """Return what stands at a path."""
        if path == _DISCOVERY:
            return {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/keys",
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                **self.document,
            }
        if path == "/keys":
            return {"keys": [*(jwk_of(key, key_id) for key_id, key in self.keys.items()), *self.more_keys]}
        return None

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return what a good token says, with changes; None leaves a claim out."""
        now = int(time.time())
        given = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": "7f3a",
            "client_id": "ward-app",
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            "jti": "token-1",
            "scope": "openid patient/*.rs user/*.rs",
            "roles": ["ward-doctor"],
            "fhirUser": "Practitioner/grey",
        } | changes
        return {name: value for name, value in given.items() if value is not None}

    def token(
        self,
        *,
        header: Mapping[str, Any] | None = None,
        sign: Callable[[bytes], bytes] | None = None,
        **claims: Any,
    ) -> str:
        """Return a token, by RS256 and the latest key if nothing else is said; None leaves something out."""
        key_id = next(reversed(self.keys))
        head = {"alg": "RS256", "kid": key_id, "typ": "at+jwt"} | dict(header or {})
        head = {name: value for name, value in head.items() if value is not None}
        return compact(head, self.claims(**claims), sign or signing_with(self.keys[key_id]))


def signing_with(key: RSAKey | ECKey) -> Callable[[bytes], bytes]:
    """Return what signs by RS256, or with a key of another kind in some way that nobody will verify."""
    private = key.private_key
    if isinstance(private, rsa.RSAPrivateKey):
        return lambda content: private.sign(content, padding.PKCS1v15(), hashes.SHA256())
    return lambda content: hashlib.sha512(content).digest()


def compact(header: Mapping[str, Any], claims: Mapping[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """Return a JWT as it is, whether or not a library would make it."""
    content = ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
    return f"{content}.{_encoded(sign(content.encode()))}"


def _encoded(part: bytes) -> str:
    return urlsafe_b64encode(part).decode().rstrip("=")


def jwk_of(key: RSAKey | ECKey, key_id: str) -> dict[str, Any]:
    """Return a public key as it is published."""
    return {**key.as_dict(private=False), "kid": key_id, "use": "sig"}


@contextmanager
def running_provider(tls: SSLContext | None = None) -> Iterator[StubProvider]:
    """Serve a provider, with TLS if a context for it is given."""
    made = StubProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            document = None if made.is_down else made.answer(self.path)
            self.send_response(503 if document is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        scheme, host = ("http", "127.0.0.1") if tls is None else ("https", "localhost")
        made.issuer = f"{scheme}://{host}:{server.server_address[1]}"
        made.rotate("k1")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


def write_file(folder: Path, stub: StubProvider, more: str = "", *, head: str = "") -> Path:
    """Write what an administrator does: the provider, its roles, and what is given `more`."""
    path = folder / "provider.toml"
    path.write_text(f"""
issuer = "{stub.issuer}"
audience = "{AUDIENCE}"
{head}
[roles]
ward-doctor = "DR"
ward-nurse = "RN"
patient-portal = "PT"
records-office = ["AD", "AU"]
{more}
""")
    return path
