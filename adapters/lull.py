"""Whether something has been quiet for a moment, for those who give way to it until then."""

import asyncio


class Lull:
    """Comes some seconds after the last disturbance; it is there at first."""

    def __init__(self, seconds: float) -> None:
        """Wait for so many `seconds` without a disturbance."""
        self._seconds = seconds
        self._is_there = asyncio.Event()
        self._is_there.set()
        self._last = 0.0

    def disturb(self) -> None:
        """Have those who wait do so for longer."""
        loop = asyncio.get_running_loop()
        self._last = loop.time()
        if self._is_there.is_set():
            self._is_there.clear()
            loop.call_later(self._seconds, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        left = self._last + self._seconds - loop.time()
        if left <= 0:
            self._is_there.set()
        else:
            loop.call_later(left, self._look)

    async def wait(self, longest: float) -> None:
        """Return when the lull is there, or after `longest` seconds."""
        if not self._is_there.is_set():
            try:
                async with asyncio.timeout(longest):
                    await self._is_there.wait()
            except TimeoutError:
                return
