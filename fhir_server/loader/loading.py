"""Loading from beginning to end: wave after wave, several requests at a time, and a count of it all.

Memory is bounded: each of the concurrent senders holds one submission, and takes the next one from the same
stream only when it is done with that.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import httpx

from fhir_server.loader.sending import Patience, Server
from fhir_server.loader.submission import Failure, Result, Submission

# A large transaction takes a server a while; connecting to it should not.
_TIMEOUT = httpx.Timeout(600.0, connect=10.0)


# What is loaded: one stream of submissions (and of what could not be read) after the other.
Waves = Sequence[Iterable[Submission | Failure]]


@dataclass(slots=True)
class Report:
    """What has been loaded so far, by resource type, and what has not.

    `created` are new resources, `kept` those that were updated or already there; `done` and `total` are bytes
    of the files. A failure is listed when it happens, and only counted here.
    """

    total: int = 0
    done: int = 0
    created: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failures: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def saved(self) -> int:
        """How many resources the server has taken."""
        return self.created.total() + self.kept.total()

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self.started

    @property
    def rate(self) -> float:
        """Resources per second so far."""
        return self.saved / max(self.seconds, 1e-9)


class Progress(Protocol):
    """Somebody who watches the loading."""

    def failed(self, failure: Failure) -> None:
        """Hear of something that was not loaded."""

    def advanced(self, report: Report) -> None:
        """Hear that `report` has changed."""


async def load(waves: Waves, server: Server, report: Report, progress: Progress, concurrency: int) -> None:
    """Send every submission of `waves` to `server`; the next wave begins when the last is complete."""
    for wave in waves:
        stream = iter(wave)
        async with asyncio.TaskGroup() as senders:
            for _ in range(concurrency):
                senders.create_task(_send_all(stream, server, report, progress))


async def _send_all(
    stream: Iterator[Submission | Failure], server: Server, report: Report, progress: Progress
) -> None:
    for submission in stream:
        if isinstance(submission, Failure):
            report.failures += 1
            progress.failed(submission)
            continue
        results = await server.send(submission)
        report.done += submission.size
        for failure in _count(submission, results, report):
            progress.failed(failure)
        progress.advanced(report)


def _count(submission: Submission, results: list[Result], report: Report) -> list[Failure]:
    """Add `results` to `report`; returns what failed, a refusal of the whole being one failure."""
    refused = [result for result in results if not result.is_saved]
    for result in results:
        counter = report.created if result.status == httpx.codes.CREATED else report.kept
        (counter if result.is_saved else report.refused)[result.entry.resource_type] += 1
    if len(refused) > 1 and len(refused) == len(results) and len({result.reason for result in refused}) == 1:
        failures = [Failure(submission.source, f"all {len(refused)} entries", refused[0].reason)]
    else:
        failures = [Failure(submission.source, result.entry.label, result.reason) for result in refused]
    report.failures += len(failures)
    return failures


async def load_into(
    url: str,
    waves: Waves,
    report: Report,
    progress: Progress,
    *,
    concurrency: int = 4,
    headers: dict[str, str] | None = None,
    auth: httpx.Auth | None = None,
    patience: Patience | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> None:
    """Load `waves` into the FHIR server whose base is `url`, with `concurrency` requests at a time.

    `auth` signs each request, if the server asks who is there.
    """
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    async with httpx.AsyncClient(
        timeout=_TIMEOUT, limits=limits, headers=headers, auth=auth, transport=transport
    ) as client:
        server = Server(client, url.rstrip("/"), patience or Patience())
        await load(waves, server, report, progress, concurrency)
