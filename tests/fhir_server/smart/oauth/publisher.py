"""Somebody who publishes the keys of applications, on this machine.

https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Publisher:
    """Somebody who publishes keys on this machine."""

    url: str = ""
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    hosts: list[str] = field(default_factory=list)

    def publish(self, *keys: Any, **headers: str) -> None:
        """Publish these keys and no others."""
        self.status, self.headers = 200, {name.replace("_", "-"): value for name, value in headers.items()}
        self.body = json.dumps({"keys": [one.jwks["keys"][0] for one in keys]}).encode()


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    """A web server with a JWK Set."""
    made = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked += 1
            made.hosts.append(self.headers["host"])
            self.send_response(made.status)
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(made.body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_address[1]}/jwks"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        server.shutdown()
        thread.join()
