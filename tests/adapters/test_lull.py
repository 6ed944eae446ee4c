"""Giving way: until it is quiet, and not for longer than one may wait."""

import asyncio

import pytest

from adapters.lull import Lull

pytestmark = pytest.mark.anyio
_LONG = 30.0


async def test_it_is_there_at_first() -> None:
    """Nobody waits where nothing happened."""
    await Lull(_LONG).wait(_LONG)


async def test_it_comes_after_the_last_disturbance() -> None:
    """Each disturbance begins the time anew; who waits goes on when it is over."""
    lull, loop = Lull(0.05), asyncio.get_running_loop()
    lull.disturb()
    waiting = asyncio.create_task(lull.wait(_LONG))
    for _ in range(10):
        await asyncio.sleep(0.01)
        lull.disturb()
        last = loop.time()
    await waiting
    assert loop.time() - last >= 0.049
    await lull.wait(_LONG)


async def test_nobody_waits_for_ever() -> None:
    """A disturbance without an end is only waited for as long as one may."""
    lull = Lull(_LONG)
    lull.disturb()
    await lull.wait(0.02)
    assert not lull._is_there.is_set()
