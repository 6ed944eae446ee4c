"""Tasks end, also those that lose a cancellation."""

import asyncio

from fhir_server.processes.ending import end


def test_a_task_that_loses_a_cancellation_ends_all_the_same() -> None:
    """It is cancelled again; one that never ends is given up after a while."""

    async def stubborn(times: int) -> None:
        for _ in range(times):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue

    async def carry_out() -> tuple[bool, bool]:
        twice, ever = asyncio.create_task(stubborn(2)), asyncio.create_task(stubborn(1000))
        await asyncio.sleep(0)
        await end(twice, 30)
        await end(ever, 0.01)
        was_given_up = not ever.done()
        await end(None, 1)
        while not ever.done():
            ever.cancel()
            await asyncio.sleep(0)
        return twice.done(), was_given_up

    assert asyncio.run(carry_out()) == (True, True)
