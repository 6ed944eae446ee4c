"""Sending one submission with patience: busy servers and lost connections are tried again, a bounded while.

A batch that is refused as a whole is sent again in halves, so that only what is really refused is lost; a
request that might have been carried out is repeated only if that adds nothing a second time.
https://hl7.org/fhir/R4/http.html#transaction, https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from fhir_server.loader.answers import refused, results
from fhir_server.loader.signing_in import NotSignedIn
from fhir_server.loader.submission import Result, Submission
from resources.json_format import dumps, parse

# Statuses that ask to come again later.
_BUSY = frozenset({429, 503})
# Statuses of a whole batch that one of its entries, or its size, may have caused.
_WHOLE_REFUSED = frozenset({400, 413, 422})
_HEADERS = {
    "Content-Type": "application/fhir+json",
    "Accept": "application/fhir+json",
    "Prefer": "return=minimal",
    # What is loaded has happened: nobody is to be told of it or charged for it again.
    "X-Import": "records",
}


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a request is tried, and how long to wait in between: seconds, doubled each time."""

    attempts: int = 7
    first_wait: float = 0.5
    longest_wait: float = 30.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def wait(self, attempt: int, retry_after: str | None = None) -> None:
        """Wait before `attempt` (the first repetition is 1), as long as the server asked for if it did."""
        backoff = self.first_wait * 2 ** (attempt - 1)
        await self.sleep(min(_seconds(retry_after) or backoff, self.longest_wait))


@dataclass(frozen=True, slots=True)
class _Answer:
    """The HTTP status of one request (0: no answer), what it says of each entry, and when to come again."""

    status: int
    results: list[Result]
    retry_after: str | None = None


@dataclass(slots=True)
class Server:
    """A FHIR server: its base address, the connections to it, and how patient to be with it.

    One that has been waited for in vain is away: until it answers again, each request is tried only once,
    so that a load of many files ends in reasonable time.
    """

    client: httpx.AsyncClient
    url: str
    patience: Patience = Patience()
    is_away: bool = False

    async def send(self, submission: Submission) -> list[Result]:
        """Send `submission`; returns one result for each of its entries, in order, and raises nothing."""
        answer = await self._post(submission)
        count = len(submission.entries)
        if submission.divisible and answer.status in _WHOLE_REFUSED and count > 1:
            first = await self.send(_part(submission, range(count // 2)))
            return first + await self.send(_part(submission, range(count // 2, count)))
        if submission.divisible and answer.status == httpx.codes.OK:
            await self._send_busy_again(submission, answer.results)
        return answer.results

    async def _post(self, submission: Submission) -> _Answer:
        """Send until there is an answer that is not "busy", or patience ends."""
        answer = _Answer(0, [])
        for attempt in range(1 if self.is_away else self.patience.attempts):
            if attempt:
                await self.patience.wait(attempt, answer.retry_after)
            try:
                answer = _answer(submission, await self._request(submission))
            except httpx.RequestError as failure:
                answer = _Answer(0, refused(submission, 0, _lost(failure)))
                if not (submission.repeatable or _never_arrived(failure)):
                    doubt = f"{_lost(failure)}; it may have been saved, so it is not sent again"
                    return _Answer(0, refused(submission, 0, doubt))
            if answer.status not in _BUSY and answer.status:
                self.is_away = False
                return answer
        self.is_away = True
        return answer

    async def _request(self, submission: Submission) -> httpx.Response:
        url = f"{self.url}/{submission.path}" if submission.path else self.url
        return await self.client.request(submission.method, url, content=submission.body, headers=_HEADERS)

    async def _send_busy_again(self, submission: Submission, results: list[Result]) -> None:
        """Send those entries of a batch again that the server was too busy for; updates `results`."""
        for attempt in range(1, self.patience.attempts):
            busy = [index for index, result in enumerate(results) if result.status in _BUSY]
            if not busy:
                return
            await self.patience.wait(attempt)
            again = await self._post(_part(submission, busy))
            for index, result in zip(busy, again.results, strict=True):
                results[index] = result


def _answer(submission: Submission, response: httpx.Response) -> _Answer:
    return _Answer(response.status_code, results(submission, response), response.headers.get("retry-after"))


def _part(submission: Submission, indexes: range | list[int]) -> Submission:
    """Return the batch of only those entries of `submission` that stand at `indexes`."""
    bundle = parse(submission.body)
    bundle["entry"] = [bundle["entry"][index] for index in indexes]
    entries = tuple(submission.entries[index] for index in indexes)
    return replace(submission, body=dumps(bundle), entries=entries)


def _never_arrived(failure: httpx.RequestError) -> bool:
    return isinstance(failure, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | NotSignedIn)


def _lost(failure: httpx.RequestError) -> str:
    return f"No answer from the server ({failure or type(failure).__name__})"


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, given as a number or as a date."""
    if not retry_after:
        return None
    try:
        return max(float(retry_after), 0.0)
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
