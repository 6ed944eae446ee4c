"""HTTP load from a few keep-alive connections, with as little work of its own as possible.

A general HTTP client costs more processor time for a request than the server does; this one sends prepared
bytes and looks only at the status and the length of what comes back.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """What a run gave: requests answered, seconds it took, and the latencies in seconds, sorted."""

    requests: int
    seconds: float
    latencies: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    def percentile(self, share: float) -> float:
        """Return the latency in milliseconds that `share` (0 to 1) of the requests did not exceed."""
        return self.latencies[min(int(len(self.latencies) * share), len(self.latencies) - 1)] * 1000


class Connection:
    """One keep-alive connection to a server on the loopback interface."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak over an open stream."""
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> "Connection":
        """Connect to 127.0.0.1."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=2**24))

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Send one request; return status and body."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = await self._reader.readexactly(length)
        return int(head[9:12]), body

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


def get(path: str) -> bytes:
    """Return the bytes of a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/fhir+json\r\n\r\n".encode()


def post(path: str, body: bytes) -> bytes:
    """Return the bytes of a POST request with a FHIR body of records of the past."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/fhir+json\r\n"
        f"X-Import: records\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def repeat(
    port: int, requests: Sequence[bytes], connections: int, seconds: float, status: Sequence[int] = (200,)
) -> Result:
    """Send `requests` round and round over `connections` for `seconds`; answers must be of a `status`."""
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def run(offset: int) -> None:
        connection = await Connection.open(port)
        index = offset
        while time.perf_counter() < end:
            started = time.perf_counter()
            answered, _ = await connection.send(requests[index % len(requests)])
            if answered not in status:
                raise RuntimeError(f"a request was answered with {answered}")
            latencies.append(time.perf_counter() - started)
            index += connections
        connection.close()

    started = time.perf_counter()
    await asyncio.gather(*(run(offset) for offset in range(connections)))
    return Result(len(latencies), time.perf_counter() - started, tuple(sorted(latencies)))


async def send_all(port: int, requests: Sequence[bytes], connections: int) -> tuple[float, list[bytes]]:
    """Send each of `requests` once, over `connections` at a time; return seconds and the bodies."""
    bodies: list[bytes] = [b""] * len(requests)
    waiting = iter(enumerate(requests))

    async def run() -> None:
        connection = await Connection.open(port)
        for index, request in waiting:
            status, bodies[index] = await connection.send(request)
            if status != 200:
                raise RuntimeError(f"a bundle was answered with {status}: {bodies[index][:300]!r}")
        connection.close()

    started = time.perf_counter()
    await asyncio.gather(*(run() for _ in range(connections)))
    return time.perf_counter() - started, bodies
