"""How many connections one process has open, in all and with each client, and how long it waits for them."""

from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus

from fhir_server.settings import Settings
from fhir_server.transport.proxies import TrustedProxies, network_of
from fhir_server.transport.safe_headers import safe_headers

# A slow connection of a phone brings ten times as much.
_LEAST_BYTES_PER_SECOND = 1024


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client may take: `seconds` for a head, and for a body or an answer besides its length."""

    seconds: float

    @property
    def least_bytes(self) -> float:
        """How much must pass in these seconds at least."""
        return self.seconds * _LEAST_BYTES_PER_SECOND

    def for_bytes(self, number: int) -> float:
        """Return the seconds within which `number` bytes must have passed."""
        return self.seconds + number / _LEAST_BYTES_PER_SECOND


class Connections:
    """Counts the connections of one process, as long as it lives."""

    def __init__(self, settings: Settings) -> None:
        """Allow as many as `settings` say."""
        self.patience = Patience(settings.client_seconds)
        is_https = settings.tls_certificate is not None or (settings.base_url or "").startswith("https:")
        self.headers = b"".join(
            b"%b: %b\r\n" % header for header in safe_headers(settings, is_https=is_https)
        )
        self._proxies = TrustedProxies(settings.trusted_proxies or "", settings.forwarded_header)
        self._most = settings.max_connections
        self._most_of_client = settings.max_client_connections
        self._number = 0
        self._open: Counter[str] = Counter()

    def opened(self, address: str) -> HTTPStatus | None:
        """Count a connection from `address`; return the status to refuse it with if it is one too many."""
        client = network_of(address)
        self._number += 1
        self._open[client] += 1
        if self._number > self._most:
            return HTTPStatus.SERVICE_UNAVAILABLE
        if self._open[client] > self._most_of_client and not self._proxies.is_trusted(address):
            return HTTPStatus.TOO_MANY_REQUESTS
        return None

    def closed(self, address: str) -> None:
        """Count a connection no more."""
        client = network_of(address)
        self._number -= 1
        self._open[client] -= 1
        if not self._open[client]:
            del self._open[client]
