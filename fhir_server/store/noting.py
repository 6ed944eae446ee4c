"""What else is stored in the transaction of a change: that the message which it comes from is done."""

from typing import Protocol

from pymongo.asynchronous.client_session import AsyncClientSession


class Note(Protocol):
    """Something that a transaction stores beside resources, or that keeps it from being stored."""

    async def store(self, session: AsyncClientSession) -> None:
        """Store it within the transaction of `session`; what it raises undoes the transaction.

        It is called again if the transaction is tried again.
        """
