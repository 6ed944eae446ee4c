"""The consents that deny anything: looked up together, and known anew every two seconds."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from fhir_server.search.asked import both
from fhir_server.search.parameters import parse_search
from fhir_server.store import Store
from resources.operation_outcome import TooCostly, error

MOST_DENYING = 20_000
"""How many consents that deny something are looked at; with more of them nobody is let in by mistake."""

_FRESH_SECONDS = 2.0
_LEVELS = ("provision", "provision.provision", "provision.provision.provision")


class DenyingConsents:
    """The active consents with a denial in them."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        """Ask `store`; `clock` is in seconds and never goes back."""
        self._store = store
        self._clock = clock
        self._asked = asyncio.Lock()
        self._known: tuple[float, tuple[Mapping[str, Any], ...]] | None = None

    async def consents(self) -> tuple[Mapping[str, Any], ...]:
        """Return them as they were at most two seconds ago; raise TooCostly if there are too many."""
        async with self._asked:
            if self._known is None or self._clock() - self._known[0] > _FRESH_SECONDS:
                self._known = self._clock(), await self._find()
            return self._known[1]

    async def _find(self) -> tuple[Mapping[str, Any], ...]:
        active = parse_search("Consent", (("status", "active"),), lenient=False, base_url="").filter
        denying = {"$or": [{f"resource.{level}.type": "deny"} for level in _LEVELS]}
        wanted = {"resource.patient": 1, "resource.provision": 1}
        found = await self._store.find("Consent", both([active, denying]), (), wanted, MOST_DENYING + 1)
        if len(found) > MOST_DENYING:
            message = f"More than {MOST_DENYING} consents deny something, which is more than are looked at"
            raise TooCostly(error("too-costly", message))
        return tuple(document["resource"] for document in found)
