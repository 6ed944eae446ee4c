"""Text messages into a folder, one `.txt` file each: for trials, without a gateway."""

import asyncio
from pathlib import Path

from adapters.files import write_whole
from adapters.sms.text import TextMessage


class FolderTextGateway:
    """Puts each text message into a file that is named after its key."""

    def __init__(self, folder: Path) -> None:
        """Write into `folder`, which is made if it is not there."""
        self._folder = folder

    async def send(self, message: TextMessage) -> None:
        """Write it; the same message again is the same file. Raises OSError."""
        content = f"To: {message.to}\n\n{message.text}\n".encode()
        await asyncio.to_thread(write_whole, self._folder / f"{message.key}.txt", content)
