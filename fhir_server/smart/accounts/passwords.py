"""Passwords: which are taken, and how they are kept: by Argon2id, so slowly that nobody tries many.

https://www.rfc-editor.org/rfc/rfc9106, https://pages.nist.gov/800-63-4/sp800-63b.html#passwordver
"""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST, LONGEST = 12, 256

# Longer than the least, and still among the first that are tried.
_COMMON = ("password", "passwort", "hospital", "qwertyuiop", "1234567890", "abcdefghij", "letmein", "welcome")
_FEWEST_CHARACTERS = 5


class Passwords:
    """Makes and compares hashes; each takes a thread, as it takes tens of milliseconds."""

    def __init__(self, rounds: int, memory_kib: int) -> None:
        """Spend `rounds` over `memory_kib` KiB on each hash."""
        self._hasher = PasswordHasher(time_cost=rounds, memory_cost=memory_kib, parallelism=1)
        # What is compared with for a name that nobody has, so that the answer takes as long.
        self._nobody: str | None = None

    async def hashed(self, password: str) -> str:
        """Return the hash of a password, with its salt and parameters in it."""
        return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Tell whether a password is the one of the hash; None is nobody's, which no password matches."""
        if self._nobody is None:
            self._nobody = await self.hashed("nobody")
        known = password_hash if password_hash is not None else self._nobody
        is_right = await asyncio.to_thread(self._verify, known, password[:LONGEST])
        return is_right and password_hash is not None

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    def is_outdated(self, password_hash: str) -> bool:
        """Tell whether the parameters were others when the hash was made."""
        return self._hasher.check_needs_rehash(password_hash)


def problem(password: str, user_name: str) -> str | None:
    """Return why a password is not taken, as a sentence; None if it is."""
    if not SHORTEST <= len(password) <= LONGEST:
        return f"A password has {SHORTEST} to {LONGEST} characters."
    folded = password.casefold()
    if len(set(folded)) < _FEWEST_CHARACTERS:
        return "This password has too few different characters."
    if user_name.casefold() in folded or any(word in folded for word in _COMMON):
        return "This password is too easy to guess."
    return None
