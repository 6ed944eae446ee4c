"""What other systems are told of changes: asked once for each transaction, at its end, and stored with it."""

from collections.abc import Sequence
from typing import Protocol

from fhir_server.store.ruling import Send
from fhir_server.workflows.pattern import Change
from fhir_server.workflows.records import Records


class Telling(Protocol):
    """Makes messages of the changes of a transaction."""

    @property
    def pattern(self) -> str:
        """The id of the pattern by which it is switched off."""

    @property
    def types(self) -> frozenset[str]:
        """The resource types whose changes it wants to know."""

    async def messages(self, changes: Sequence[Change], records: Records) -> Sequence[Send]:
        """Return the messages; what belongs to a change is looked up in `records`, as it is at the end.

        It refuses nothing: a message that cannot be made waits for a person, and the change is stored.
        """
