"""A web application at an origin of its own: a few files, with the JavaScript that a developer writes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_LIBRARY = "/fhir-client.js"
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Chart</title></head>
<body><p id="told"></p><script src="{library}"></script><script>
{script}
</script></body></html>"""


@dataclass
class Application:
    """What is served: scripts by the path of their page."""

    origin: str
    scripts: dict[str, str] = field(default_factory=dict)

    def address(self, path: str) -> str:
        """Return the address of a page."""
        return f"{self.origin}{path}"


@contextmanager
def running_application(library: bytes) -> Iterator[Application]:
    """Serve an application on the loopback interface, with `library` as the JavaScript client."""
    application = Application("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            script = application.scripts.get(path)
            if path == _LIBRARY:
                self._answer("text/javascript", library)
            elif script is not None:
                self._answer("text/html", _PAGE.format(library=_LIBRARY, script=script).encode())
            else:
                self.send_error(404)

        def _answer(self, media_type: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-type", f"{media_type}; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        application.origin = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield application
        finally:
            server.shutdown()
            thread.join()
