"""Cash over the counter: it is there, or it is not."""

from adapters.payments.gateway import Asked, State, Taken


class Cash:
    """What a clerk counts."""

    method = "cash"
    is_immediate = True

    async def take(self, asked: Asked) -> Taken:
        """Say that it is there, since a clerk says so."""
        return Taken("settled", asked.payment)

    async def give_back(self, asked: Asked, _reference: str) -> Taken:
        """Say that it is handed out."""
        return Taken("settled", asked.payment)

    async def drop(self, _reference: str) -> State:
        """Say that nothing was pending."""
        return "settled"
