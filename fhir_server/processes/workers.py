"""Several server processes on one listening socket: started, replaced when they die, stopped together."""

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, MutableSequence, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from types import FrameType

import structlog

from fhir_server.metrics import forget_process
from fhir_server.processes.parent_death import end_with_parent
from fhir_server.processes.serving import GRACE_SECONDS, Configuration, MessagePort
from fhir_server.processes.sharing import NOT_ACCEPTING, SharingServer
from fhir_server.settings import Settings

# A worker that dies at once, again and again, must not keep the machine busy with starting it.
_RESTART_PAUSE_SECONDS = 0.5
_STOP_SECONDS = GRACE_SECONDS + 5.0
# Without a supervisor there is often no database either, and nothing that could be finished.
_ORPHAN_SECONDS = 3.0


def supervise(listener: socket.socket, number: int, ports: Sequence[MessagePort] = ()) -> bool:
    """Run `number` workers until SIGTERM or SIGINT; False if one of them could not start."""
    with _stop_requests() as requests:
        workers = _Workers(listener, number, ports)
        try:
            while requests not in wait([requests, *workers.sentinels]):
                if not workers.replace_dead():
                    return False
            os.read(requests, 1)
            return True
        finally:
            workers.stop(requests)


class _Workers:
    """The worker processes, from when they are made to `stop`."""

    def __init__(self, listener: socket.socket, number: int, ports: Sequence[MessagePort]) -> None:
        # Spawned rather than forked: the supervisor has threads.
        self._context = multiprocessing.get_context("spawn")
        self._listener = listener
        self._counts: MutableSequence[int] = self._context.RawArray("i", [NOT_ACCEPTING] * number)
        self._ports = [
            replace(port, counts=self._context.RawArray("i", [NOT_ACCEPTING] * number)) for port in ports
        ]
        self._processes = [self._start(slot) for slot in range(number)]

    @property
    def sentinels(self) -> list[int]:
        """Descriptors that become readable when a worker ends."""
        return [process.sentinel for process in self._processes]

    def replace_dead(self) -> bool:
        """Start anew each worker that has ended; False if one ended by itself before it ever accepted."""
        for slot, process in enumerate(self._processes):
            if process.exitcode is None:
                continue
            if process.exitcode > 0 and self._counts[slot] == NOT_ACCEPTING:
                return False
            structlog.get_logger().error("a worker ended and is replaced", exit_code=process.exitcode)
            for counts in (self._counts, *(port.counts for port in self._ports)):
                counts[slot] = NOT_ACCEPTING
            if process.pid is not None:
                forget_process(process.pid)
            time.sleep(_RESTART_PAUSE_SECONDS)
            self._processes[slot] = self._start(slot)
        return True

    def stop(self, requests: int) -> None:
        """Ask all to finish, and wait; those that take too long are killed, or all if asked to stop again."""
        for process in self._processes:
            process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        while alive := [process.sentinel for process in self._processes if process.exitcode is None]:
            ready = wait([requests, *alive], max(0.0, deadline - time.monotonic()))
            if requests in ready or not ready:
                for process in self._processes:
                    process.kill()
                    process.join()

    def _start(self, slot: int) -> SpawnProcess:
        ports = [replace(port, slot=slot) for port in self._ports]
        process = self._context.Process(
            target=_work, args=(self._listener, self._counts, slot, ports), name=f"fhir-server worker {slot}"
        )
        process.start()
        return process


def _work(
    listener: socket.socket, counts: MutableSequence[int], slot: int, ports: Sequence[MessagePort]
) -> None:
    """Serve, in a worker, until told to stop or the supervisor is gone."""
    supervisor = multiprocessing.parent_process()
    if supervisor is not None and supervisor.pid is not None:
        # It may have been killed while this process was still being made.
        end_with_parent(supervisor.pid)
    threading.Thread(target=_end_after_supervisor, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the supervisor tells when
    server = SharingServer(Configuration(Settings()), listener, counts, slot, ports)
    server.run()
    sys.exit(0 if server.started else 1)


def _end_after_supervisor() -> None:
    """End this worker for good some time after the supervisor is gone, who would do it otherwise.

    It has the ports until then, so that no other server can be started on them.
    """
    supervisor = multiprocessing.parent_process()
    if supervisor is not None:
        supervisor.join()
        time.sleep(_ORPHAN_SECONDS)
        os._exit(1)


@contextmanager
def _stop_requests() -> Iterator[int]:
    """Give a descriptor that has one byte to read for each SIGTERM or SIGINT that came."""
    reader, writer = os.pipe()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        os.write(writer, b".")

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield reader
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)
