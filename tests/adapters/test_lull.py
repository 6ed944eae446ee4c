"""Giving way: until it is quiet, and not for longer than one may wait."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from adapters import lull as module
from adapters.lull import Lull

pytestmark = pytest.mark.anyio
_LONG = 30.0


class Clock:
    """A loop's clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        """Return the time."""
        return self.now

    def call_later(self, seconds: float, work: Callable[[], None]) -> None:
        """Remember what is to be done."""
        self.due.append((self.now + seconds, work))

    def go_to(self, moment: float) -> None:
        """Let it be `moment`, and do what is due by then."""
        self.now = moment
        ready, self.due = (
            [one for one in self.due if one[0] <= moment],
            [one for one in self.due if one[0] > moment],
        )
        for _, work in ready:
            work()


async def test_it_is_there_at_first() -> None:
    """Nobody waits where nothing happened."""
    await Lull(_LONG).wait(_LONG)


async def test_it_comes_after_the_last_disturbance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each disturbance begins the time anew; who waits goes on when it is over."""
    clock, lull = Clock(), Lull(0.5)
    waiting = asyncio.create_task(lull.wait(_LONG))
    await waiting
    with monkeypatch.context() as patched:
        patched.setattr(module, "asyncio", SimpleNamespace(get_running_loop=lambda: clock))
        lull.disturb()
        clock.go_to(0.4)
        lull.disturb()
        clock.go_to(0.6)
    waiting = asyncio.create_task(lull.wait(_LONG))
    await asyncio.sleep(0)
    assert not waiting.done()
    with monkeypatch.context() as patched:
        patched.setattr(module, "asyncio", SimpleNamespace(get_running_loop=lambda: clock))
        clock.go_to(0.89)
        assert not waiting.done()
        clock.go_to(0.91)
    await waiting


async def test_nobody_waits_for_ever() -> None:
    """A disturbance without an end is only waited for as long as one may."""
    lull = Lull(_LONG)
    lull.disturb()
    await lull.wait(0.02)
    other = asyncio.create_task(lull.wait(_LONG))
    await asyncio.sleep(0)
    assert not other.done()
    other.cancel()
