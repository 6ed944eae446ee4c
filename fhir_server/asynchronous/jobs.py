"""Carries out requests that nobody waits for, and tells how far they are.

The database holds what is asked and answered, so that any process can tell of a job, and go on with one whose
process is gone. All of these requests only read: to carry one out twice does no harm.
https://hl7.org/fhir/R4/async.html
"""

import asyncio
import contextlib
import secrets
from datetime import UTC, datetime, timedelta

import structlog

from fhir_server.asynchronous.messages import (
    LONGEST_SECONDS,
    kept_answer,
    kept_request,
    read_answer,
    read_request,
    waiting_context,
)
from fhir_server.context import Context, Request, Response, Route
from fhir_server.errors import error_response
from fhir_server.negotiation import http_date
from fhir_server.store import AsyncJob, AsyncJobStore
from resources.custom_parameters import using
from resources.operation_outcome import (
    FhirError,
    Issue,
    ResourceNotFound,
    StoreUnavailable,
    TooBusy,
    TooCostly,
    error,
    operation_outcome,
)

STATUS_PATH = "_async"
"""Where a job is asked after, below the base: `_async/<id>`."""

_LIFETIME = timedelta(hours=1)
# A process that does not prolong its lease for so long is taken to be gone.
_LEASE = timedelta(seconds=20)
_RENEWAL_SECONDS = 5.0
# What is wrong with a request mostly shows at once, and is then told at once.
_FIRST_LOOK_SECONDS = 0.05
# Most of the processor stays with those who wait for their answers.
_AT_ONCE = 2
_MOST_ATTEMPTS = 3
_MOST_KEPT = 100
# A database that falls silent shall not keep a server from ending.
_PARTING_SECONDS = 2.0
_RETRY_AFTER = ("retry-after", "1")
_STARTED = Issue("information", "informational", "The request is carried out; Content-Location says how far")


class Jobs:
    """The jobs that one process works on; stopped before its store is closed."""

    def __init__(self, store: AsyncJobStore) -> None:
        """Keep jobs in `store`."""
        self._store = store
        self._owner = secrets.token_hex(8)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._log = structlog.get_logger("fhir_server.jobs")

    async def start(self, request: Request, route: Route, context: Context) -> Response:
        """Answer 202 with the address at which the job is asked after.

        Raises TooBusy if the client has too many jobs, and what is wrong with the request if that
        shows at once.
        """
        under_way, kept = await self._store.count(context.asker)
        most = context.settings.max_async_jobs
        if under_way >= most or kept >= _MOST_KEPT:
            message = f"A client may have {most} requests under way and {_MOST_KEPT} answers kept"
            raise TooBusy(error("throttled", message))
        waiting = waiting_context(context, context.base_url, lenient=context.preferences.lenient)
        work = asyncio.create_task(self._carry_out(request, route, waiting))
        try:
            await asyncio.wait({work}, timeout=_FIRST_LOOK_SECONDS)
            if work.done():
                work.result()
            job = self._new_job(request, context)
            await self._store.add(job)
        except BaseException:
            work.cancel()
            raise
        self._keep(job, work, waiting)
        address = ("content-location", f"{context.base_url}/{STATUS_PATH}/{job.id}")
        return Response(202, operation_outcome([_STARTED]), headers=(address, _RETRY_AFTER))

    def _new_job(self, request: Request, context: Context) -> AsyncJob:
        now = datetime.now(UTC)
        return AsyncJob(
            id=secrets.token_urlsafe(24),
            client=context.asker,
            request=kept_request(request, context),
            created=now,
            expires=now + _LIFETIME,
            owner=self._owner,
            lease=now + _LEASE,
        )

    async def status(self, job_id: str, context: Context) -> Response:
        """Answer 202 while the job is under way, 200 with its answer afterwards; raise ResourceNotFound."""
        job = await self._of_asker(job_id, context)
        if job.chunks is not None:
            answer = read_answer(await self._store.result(job))
            return Response(200, answer, headers=(("expires", http_date(job.expires)),))
        if job.lease < datetime.now(UTC):
            await self._take_up(job, context)
        seconds = (datetime.now(UTC) - job.created) // timedelta(seconds=1)
        return Response(202, headers=(("x-progress", f"under way for {seconds} s"), _RETRY_AFTER))

    async def _of_asker(self, job_id: str, context: Context) -> AsyncJob:
        """Return the job; raise ResourceNotFound if there is none, or if it is that of another caller."""
        job = await self._store.get(job_id, datetime.now(UTC))
        # An address may change between two requests; where callers are known, they are who they are.
        if job is None or (context.principal is not None and job.client != context.asker):
            raise _unknown_job()
        return job

    async def cancel(self, job_id: str, context: Context) -> Response:
        """Answer 202 and forget the job with its answer; raise ResourceNotFound if there is none."""
        await self._of_asker(job_id, context)
        keeper = self._keepers.get(job_id)
        if keeper is not None:
            keeper.cancel()
        if not await self._store.remove(job_id):
            raise _unknown_job()
        return Response(202)

    async def stop(self) -> None:
        """Stop working; other processes may go on with what is left."""
        keepers = list(self._keepers.values())
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        if keepers:
            with contextlib.suppress(StoreUnavailable, TimeoutError):
                async with asyncio.timeout(_PARTING_SECONDS):
                    await self._store.release(self._owner, datetime.now(UTC))

    async def _take_up(self, job: AsyncJob, context: Context) -> None:
        claimed = await self._store.claim(job, self._owner, datetime.now(UTC) + _LEASE)
        if claimed is None:
            return
        request, waiting = read_request(claimed.request, context)
        if claimed.attempts > _MOST_ATTEMPTS:
            await self._complete(claimed, _interrupted(), waiting)
            return
        self._log.warning("job taken up again", attempt=claimed.attempts)
        work = asyncio.create_task(self._carry_out(request, context.match(request), waiting))
        self._keep(claimed, work, waiting)

    def _keep(self, job: AsyncJob, work: asyncio.Task[Response], context: Context) -> None:
        keeper = asyncio.create_task(self._see_through(job, work, context))
        self._keepers[job.id] = keeper
        keeper.add_done_callback(lambda _done: self._keepers.pop(job.id, None))

    async def _carry_out(self, request: Request, route: Route, context: Context) -> Response:
        async with self._slots:
            try:
                async with asyncio.timeout(LONGEST_SECONDS):
                    # It may have waited for long, or be another process's.
                    using(await context.store.custom_parameters())
                    return await route.handler(request, context)
            except TimeoutError:
                message = f"The request took longer than {LONGEST_SECONDS:.0f} s"
                raise TooCostly(error("too-costly", message)) from None

    async def _see_through(self, job: AsyncJob, work: asyncio.Task[Response], context: Context) -> None:
        """Hold the lease as long as the work goes on, then keep the answer."""
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=_RENEWAL_SECONDS)
                if not work.done() and not await self._store.renew(job, datetime.now(UTC) + _LEASE):
                    return  # cancelled, by way of another process
            await self._complete(job, await self._answer(work), context)
        except StoreUnavailable:
            # The lease runs out, and whoever asks after the job begins anew.
            self._log.warning("job interrupted: the database cannot be reached")
        finally:
            work.cancel()

    async def _answer(self, work: asyncio.Task[Response]) -> Response:
        try:
            return await work
        except StoreUnavailable:
            raise
        except FhirError as failure:
            return error_response(failure)
        except Exception:
            number = secrets.token_hex(16)
            self._log.exception("job failed", request_id=number)
            issue = Issue("fatal", "exception", f"Something went wrong here; its number is {number}")
            return Response(500, operation_outcome([issue]))

    async def _complete(self, job: AsyncJob, response: Response, context: Context) -> None:
        try:
            answer = kept_answer(response, context)
        except FhirError as failure:
            answer = kept_answer(error_response(failure), context)
        await self._store.complete(job, answer, datetime.now(UTC) + _LIFETIME)


def _interrupted() -> Response:
    message = f"The work was interrupted {_MOST_ATTEMPTS} times; send the request again"
    return Response(500, operation_outcome([error("incomplete", message)]))


def _unknown_job() -> ResourceNotFound:
    return ResourceNotFound(error("not-found", "There is no such request: cancelled, expired, or never made"))
