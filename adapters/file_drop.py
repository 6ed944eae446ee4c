"""Messages in files: a watched folder in which other systems put them, and one for what we tell them.

A file is a message, or a batch (FHS, BHS). It is taken when it has not changed for a while, and once, by
renaming it into `taken`: whoever writes a file elsewhere and renames it into the folder, or gives it a name
that begins with a dot as long as it grows, loses no time. Each of its messages is taken like one that comes
over MLLP. When all are answered, the answers are in `answers` under the name of the file, and the file is in
`done`. A process that dies on the way loses the lock on the file, and another one goes on: messages that were
answered get the same answer.

HL7 v2.5.1 §2.10.3 (batch protocol)
"""

import asyncio
import contextlib
import fcntl
import os
import uuid
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import structlog

from adapters.channels import LOCAL, Drop, Peer
from adapters.files import write_whole
from hl7.batch import BatchFile, respond, split
from hl7.errors import HL7Error, MessageTooLong

TAKEN, DONE, ANSWERS = "taken", "done", "answers"
# What programs write under while a file grows.
_UNFINISHED = (".tmp", ".part", ".partial", ".filepart", ".crdownload")
_MOST_BYTES = 512 * 1024 * 1024


class Answers(Protocol):
    """The acknowledgments of a message (see `adapters.inbound.Answers`)."""

    @property
    def accept(self) -> bytes | None:
        """The one at the accept level, None for none."""

    @property
    def application(self) -> bytes | None:
        """The one at the application level, None for none."""


Receive = Callable[[bytes, Peer], Awaitable[Answers]]
"""Takes a message, as `adapters.inbound.Inbound.receive` does."""


class FileDrop:
    """Takes the files of one folder; several processes may watch the same one."""

    def __init__(
        self, drop: Drop, receive: Receive, peer: Peer = LOCAL, now: Callable[[], datetime] | None = None
    ) -> None:
        """Watch a folder for `peer`, and have each message taken by `receive`."""
        self._drop = drop
        self._receive = receive
        self._peer = peer
        self._now = now or (lambda: datetime.now(UTC))
        self._log = structlog.get_logger("fhir_server.hl7v2")
        # Of files that may still grow: size and time of change, and when they were first seen so.
        self._seen: dict[str, tuple[tuple[int, int], float]] = {}

    async def run(self, seconds: float = 1.0) -> None:
        """Look into the folder again and again, until cancelled."""
        while True:
            with contextlib.suppress(OSError):  # a folder that is away for a while comes back
                await self.look()
            await asyncio.sleep(seconds)

    async def look(self) -> int:
        """Take what is whole, and what another process left half done.

        Return how many files were answered.
        """
        for name in (TAKEN, DONE, ANSWERS):
            (self._drop.folder / name).mkdir(parents=True, exist_ok=True)
        for path in self._whole():
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                path.rename(self._free_name(path))
        count = 0
        for path in sorted((self._drop.folder / TAKEN).iterdir()):
            with _locked(path) as is_ours:
                if is_ours and path.exists():
                    count += await self._tried(path)
        return count

    async def _tried(self, path: Path) -> bool:
        """Answer a file; one for which that fails stays where it is, and is taken again next time."""
        try:
            await self._answer(path)
        except Exception:
            self._log.exception("a file could not be answered", drop=self._drop.name)
            return False
        return True

    def _whole(self) -> Iterator[Path]:
        """Yield the files that have not changed for a while, in the order of their names."""
        now, there = asyncio.get_running_loop().time(), {}
        for path in sorted(self._drop.folder.iterdir()):
            if path.name.startswith(".") or path.suffix.lower() in _UNFINISHED:
                continue
            try:
                found = path.stat()
            except FileNotFoundError:
                continue
            if not path.is_file() or path.is_symlink():
                continue
            state = found.st_size, found.st_mtime_ns
            before = self._seen.get(path.name)
            there[path.name] = before if before is not None and before[0] == state else (state, now)
            if now - there[path.name][1] >= self._drop.stable_seconds:
                yield path
        self._seen = there

    def _free_name(self, path: Path) -> Path:
        """Return where a file goes; one of a name that was there before keeps it, with something added."""
        taken = self._drop.folder / TAKEN / path.name
        used = (taken, self._drop.folder / DONE / path.name)
        if not any(one.exists() for one in used):
            return taken
        return taken.with_name(f"{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}")

    async def _answer(self, path: Path) -> None:
        try:
            found = await asyncio.to_thread(_read, path)
        except HL7Error as failure:
            self._refuse(path, str(failure))
            return
        self._finish(path, path.name, await self._responded(found))

    def _refuse(self, path: Path, reason: str) -> None:
        """Put a file away that has no message in it at all; what says so has no acknowledgment to be in."""
        self._finish(path, f"{path.name}.error", f"{reason}\n".encode())

    def _finish(self, path: Path, name: str, answer: bytes) -> None:
        """Put the answer beside a file first, and then the file away: what has no answer yet is not done."""
        write_whole(self._drop.folder / ANSWERS / name, answer)
        path.rename(self._drop.folder / DONE / path.name)

    async def _responded(self, found: BatchFile) -> bytes:
        """Have all messages of a file taken, one after the other, and return the response to it."""
        answers: list[list[bytes]] = []
        for batch in found.batches:
            given = []
            for message in batch.messages:
                got = await self._receive(message, self._peer)
                answer = got.application or got.accept
                if answer is not None:
                    given.append(answer)
            answers.append(given)
        return respond(found, answers, now=self._now(), control_id=uuid.uuid4().hex[:18])


def _read(path: Path) -> BatchFile:
    """Return the messages of a file; raise HL7Error if it has none."""
    if path.stat().st_size > _MOST_BYTES:
        raise MessageTooLong("the file is too large")
    return split(path.read_bytes())


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Give whether this process has the file for itself; the lock goes with the process, however it ends."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


class FolderLine:
    """Puts messages for another system into a folder, each as a file that appears whole."""

    def __init__(self, folder: Path) -> None:
        """Put files into `folder`."""
        self._folder = folder

    async def send(self, data: bytes, control_id: str) -> None:
        """Put a message there; raise OSError if that is not possible.

        The names sort in the order in which messages were put there. The same message is not there twice,
        unless its file was taken away meanwhile.
        """
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{control_id}.hl7"
        there = await asyncio.to_thread(lambda: list(self._folder.glob(f"*-{control_id}.hl7")))
        if not there:
            await asyncio.to_thread(write_whole, self._folder / name, data)

    async def close(self) -> None:
        """Do nothing: a folder needs no connection."""
