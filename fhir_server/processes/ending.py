"""Ending a task for good: the driver may lose a cancellation while it finds out that the database is gone."""

import asyncio
from typing import Any

_AGAIN_SECONDS = 0.2


async def end(task: "asyncio.Task[Any] | None", seconds: float) -> None:
    """Cancel `task`, again and again until it has ended, for some `seconds` at most; raise nothing."""
    if task is None:
        return
    give_up = asyncio.get_running_loop().time() + seconds
    while not task.done() and asyncio.get_running_loop().time() < give_up:
        task.cancel()
        await asyncio.wait({task}, timeout=_AGAIN_SECONDS)
