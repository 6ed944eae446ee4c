"""A stand-in for Stripe's HTTP interface on the loopback interface, as far as payments need it.

https://docs.stripe.com/api/payment_intents
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

Resource = dict[str, Any]


class StripeStub:
    """What an account at Stripe knows: intents and refunds, each once for its idempotency key."""

    def __init__(self) -> None:
        """Know nothing."""
        self.by_key: dict[str, Resource] = {}
        self.intents: dict[str, Resource] = {}
        self.refunds: list[Resource] = []
        self.is_ill = False
        self.is_silent = False

    def answer(self, path: str, form: dict[str, str], key: str) -> tuple[int, Resource]:
        """Answer a POST."""
        if self.is_ill:
            return 500, {"error": {"type": "api_error", "message": "ill"}}
        if key and key in self.by_key:
            return 200, self.by_key[key]
        if path == "/v1/payment_intents":
            name = f"pi_{len(self.intents) + 1}_{id(self)}"
            made = {
                "id": name,
                "object": "payment_intent",
                "status": "requires_payment_method",
                "client_secret": f"{name}_secret",
                "amount": int(form["amount"]),
                "currency": form["currency"],
                "metadata": {"payment": form["metadata[payment]"]},
            }
            self.intents[name] = made
        elif path == "/v1/refunds":
            made = {
                "id": f"re_{len(self.refunds) + 1}_{id(self)}",
                "object": "refund",
                "status": "succeeded",
                "amount": int(form["amount"]),
                "payment_intent": form["payment_intent"],
            }
            self.refunds.append(made)
        else:
            intent = self.intents[path.split("/")[3]]
            if intent["status"] in ("succeeded", "processing"):
                return 400, {"error": {"type": "invalid_request_error", "message": intent["status"]}}
            intent["status"] = "canceled"
            return 200, intent
        if key:
            self.by_key[key] = made
        return 200, made


@contextmanager
def running_stub() -> Iterator[tuple[str, StripeStub]]:
    """Run the stub; give its address and what it knows."""
    stub = StripeStub()

    class Handler(BaseHTTPRequestHandler):
        """Answers as Stripe does."""

        def do_POST(self) -> None:
            """Answer what is asked with a form."""
            sent = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            form = {name: values[0] for name, values in parse_qs(sent).items()}
            self._send(*stub.answer(self.path, form, self.headers.get("idempotency-key", "")))

        def do_GET(self) -> None:
            """Answer with an intent."""
            if stub.is_silent:
                self._send(500, {"error": {"type": "api_error", "message": "ill"}})
                return
            self._send(200, stub.intents[self.path.split("/")[3]])

        def _send(self, status: int, content: Resource) -> None:
            sent = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", stub
    finally:
        server.shutdown()
        server.server_close()
