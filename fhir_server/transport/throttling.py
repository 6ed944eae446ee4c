"""How many requests one client may send: a token bucket for each, in memory of a fixed size.

The buckets are kept as the generic cell rate algorithm has them (ITU-T I.371, annex A): one moment for each
client, at which its bucket will be full again. https://www.rfc-editor.org/rfc/rfc6585#section-4
"""

import time
from collections.abc import Callable

# 50,000 clients take some 7 MB.
_MOST_CLIENTS = 50_000


class Throttle:
    """Counts requests by client, for one process and as long as it lives."""

    def __init__(
        self,
        per_second: float,
        burst: int,
        *,
        most_clients: int = _MOST_CLIENTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Let each client send `burst` requests at once and `per_second` for a long time; 0 is any number.

        `clock` gives seconds. Of more than `most_clients` clients some are forgotten, which have a full
        bucket then.
        """
        self._interval = 1 / per_second if per_second else 0.0
        self._tolerance = self._interval * (burst - 1)
        self._most_clients = most_clients
        self._clock = clock
        self._full_at: dict[str, float] = {}

    def wait(self, client: str) -> float:
        """Count a request of `client` and return 0, or return the seconds until it may send the next."""
        if not self._interval:
            return 0.0
        now = self._clock()
        full_at = max(self._full_at.get(client, now), now)
        wait = full_at - now - self._tolerance
        if wait > 0:
            return wait
        if len(self._full_at) >= self._most_clients and client not in self._full_at:
            self._forget(now)
        self._full_at[client] = full_at + self._interval
        return 0.0

    def _forget(self, now: float) -> None:
        """Drop clients whose buckets are full, which changes nothing; if too few, the first half as well."""
        self._full_at = {client: at for client, at in self._full_at.items() if at > now}
        if len(self._full_at) > self._most_clients // 2:
            kept = list(self._full_at.items())[self._most_clients // 2 :]
            self._full_at = dict(kept)
