"""E-mail into a folder, one `.eml` file each that mail programs open: for trials, without a mail server."""

import asyncio
from pathlib import Path

from adapters.email.mail import Mail, NotAccepted
from adapters.files import write_whole


class FolderMailer:
    """Puts each mail into a file that is named after its key."""

    def __init__(self, folder: Path, sender: str) -> None:
        """Write into `folder`, made if it is not there; `sender` is the address that mails are from."""
        self._folder = folder
        self._sender = sender

    async def send(self, mail: Mail) -> None:
        """Write it; the same mail again is the same file. Raises NotAccepted, or OSError."""
        try:
            content = mail.as_message(self._sender).as_bytes()
        except ValueError as failure:
            raise NotAccepted("no address") from failure
        await asyncio.to_thread(write_whole, self._folder / f"{mail.key}.eml", content)
