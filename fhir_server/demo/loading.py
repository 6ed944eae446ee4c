"""The demo hospital on its way to a server, by the loader's own code, or into a folder of files."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

from fhir_server.demo.generation import Part
from fhir_server.loader import documents
from fhir_server.loader.loading import Progress, Report, load_into
from fhir_server.loader.submission import Failure, Submission
from resources.json_format import dumps

_BOOKING_SECONDS = 600.0
_NO_STOCK = (404, 405)  # another server, or one on which these rules are off
SIGNS_OF_USE = ("Patient", "Organization")
"""A server with any of these has records of its own."""


def load_demo(
    url: str,
    parts: Sequence[Part],
    report: Report,
    progress: Progress,
    *,
    concurrency: int = 4,
    auth: httpx.Auth | None = None,
) -> None:
    """Load `parts` into the FHIR server at `url`, in their order; `report` says how it went.

    `auth` signs each request, if the server asks who is there.
    """
    report.total = sum(len(part.resources) for part in parts)
    waves = [_submissions(wave) for wave in in_waves(parts)]
    asyncio.run(load_into(url, waves, report, progress, concurrency=concurrency, auth=auth))


def book_stock(url: str, auth: httpx.Auth | None = None) -> None:
    """Have the server at `url` book the movements that were loaded, if it keeps stock.

    Raises httpx.HTTPError if it does not say that it has.
    """
    with httpx.Client(timeout=_BOOKING_SECONDS, auth=auth) as client:
        answer = client.post(f"{url.rstrip('/')}/$rebuild-stock")
        if answer.status_code not in _NO_STOCK:
            answer.raise_for_status()


def in_waves(parts: Sequence[Part]) -> list[list[Part]]:
    """Return `parts` in the groups that are to be loaded one after the other."""
    numbers = sorted({part.wave for part in parts})
    return [[part for part in parts if part.wave == number] for number in numbers]


def _submissions(parts: Sequence[Part]) -> Iterator[Submission | Failure]:
    for part in parts:
        yield from documents.submissions(part.name, dumps(part.bundle()), len(part.resources))


def write_demo(folder: Path, parts: Sequence[Part]) -> int:
    """Write one file for each of `parts` into `folder`, named in the order of loading; returns how many."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        (folder / f"{part.wave}-{part.name}.json").write_bytes(dumps(part.bundle(), pretty=True))
    return len(parts)


def is_empty(url: str, auth: httpx.Auth | None = None) -> bool:
    """Return whether the FHIR server at `url` has neither patients nor organisations.

    Raises httpx.HTTPError if it does not say.
    """
    headers = {"Accept": "application/fhir+json"}
    with httpx.Client(timeout=30.0, headers=headers, auth=auth) as client:
        return not any(_count(client, url.rstrip("/"), name) for name in SIGNS_OF_USE)


def _count(client: httpx.Client, url: str, resource_type: str) -> int:
    answer = client.get(f"{url}/{resource_type}", params={"_summary": "count"})
    total: int = answer.raise_for_status().json()["total"]
    return total
