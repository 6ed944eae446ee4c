"""Waiting after failed attempts to sign in, for the account and for the network address, in all processes.

https://pages.nist.gov/800-63-4/sp800-63b.html#throttle
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from fhir_server.store.accounts import AccountStore, key_of

_KEPT = timedelta(days=1)
_FIRST_WAIT = timedelta(seconds=30)
_LONGEST_WAIT = timedelta(hours=1)
_MOST_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class Attempts:
    """Counts failures; waits begin after `free` ones for an account, and ten times as many for an address."""

    store: AccountStore
    free: int

    async def wait(self, user_name: str, address: str, now: datetime) -> timedelta | None:
        """Return how long the next attempt has to wait; None if it need not."""
        waits = [await self._wait(key, free, now) for key, free in self._keys(user_name, address)]
        longest = max(waits)
        return longest if longest > timedelta(0) else None

    async def failed(self, user_name: str, address: str, now: datetime) -> int:
        """Count a failure; return how many there were for the account."""
        counted = [await self.store.add_failure(key, now, _KEPT) for key, _ in self._keys(user_name, address)]
        return counted[0]

    async def succeeded(self, user_name: str) -> None:
        """Forget the failures of an account; those of an address go with time."""
        await self.store.forget_failures(self._keys(user_name, "")[0][0])

    async def _wait(self, key: str, free: int, now: datetime) -> timedelta:
        number, last = await self.store.failures(key)
        if last is None or number < free:
            return timedelta(0)
        wait: timedelta = min(_FIRST_WAIT * (1 << min(number - free, _MOST_DOUBLINGS)), _LONGEST_WAIT)
        return last + wait - now

    def _keys(self, user_name: str, address: str) -> tuple[tuple[str, int], tuple[str, int]]:
        return (f"account {key_of(user_name)[:100]}", self.free), (f"address {address}", self.free * 10)
