"""Whoever is told what is read and changed: of a transaction within it, so that it is on record or undone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fhir_server.store.documents import Version, Write


@dataclass(frozen=True, slots=True)
class Change:
    """One change that a transaction makes: the write, what was there before, and the version that it makes.

    `before` is None where nothing was there. A write that changes nothing is no change. `since` is how the
    resource was before its last write: another one than `before` if the transaction wrote it several times.
    """

    write: Write
    before: dict[str, Any] | None
    after: Version
    since: dict[str, Any] | None = None


class Witness(Protocol):
    """Sees what is taken out of the store, and what a transaction changes."""

    def saw(self, resource: dict[str, Any]) -> None:
        """Take note of a stored resource that is read, whole and before it is known what is shown of it."""

    def testify(self, changes: Sequence[Change]) -> Sequence[Write]:
        """Return the creations of new resources that are stored with `changes`.

        It is called again if the transaction is tried again.
        """
