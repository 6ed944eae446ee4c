"""What the machines ask that look after the server: is it up, can it work, and what did it do?

https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/,
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from prometheus_client.core import Metric

from fhir_server import metrics
from fhir_server.settings import Settings
from fhir_server.store import Store
from fhir_server.transport.loopback import is_loopback
from fhir_server.workflows.notices import NOTIFY
from resources.operation_outcome import StoreUnavailable

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_PROXIED = ("forwarded", "x-forwarded-for")

Outdated = Callable[[], Sequence[str]]
"""Tells the search parameters that wait for a `$reindex`."""


def add_health(
    app: FastAPI, store: Store, settings: Settings, outdated: Outdated, now: Callable[[], datetime]
) -> None:
    """Add what is beside the FHIR interface, for machines, to the application."""

    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        """Lead a person with a browser to the CapabilityStatement."""
        return RedirectResponse("/fhir/metadata")

    @app.get("/health")
    @app.get("/health/live")
    async def live() -> JSONResponse:
        """Say that the process answers."""
        return JSONResponse({"status": "up"})

    @app.get("/ready")
    @app.get("/health/ready")
    async def ready() -> Response:
        """Say whether the database answers too: 200 or 503."""
        try:
            await store.ping()
        except StoreUnavailable:
            return JSONResponse({"status": "down", "database": "unreachable"}, 503, {"retry-after": "2"})
        wanted = list(outdated())
        return JSONResponse({"status": "up", "database": "up"} | ({"reindex": wanted} if wanted else {}))

    @app.get("/metrics")
    async def measured(request: Request) -> Response:
        """Tell Prometheus what was counted, if it may know."""
        if not _may_know(request, settings):
            challenge = {"www-authenticate": 'Bearer realm="metrics"'}
            return Response("The token is FHIR_METRICS_TOKEN\n", 401, challenge, "text/plain")
        return Response(metrics.exposition(await _looked_up(store, now())), media_type=_TEXT)


def _may_know(request: Request, settings: Settings) -> bool:
    """Tell whether the caller has the token, or (if there is none) is a program on this machine itself."""
    if settings.metrics_token is not None:
        wanted = f"Bearer {settings.metrics_token.get_secret_value()}"
        sent = request.headers.get("authorization", "")
        return hmac.compare_digest(sent.encode(), wanted.encode())
    client = "" if request.client is None else request.client.host
    # A proxy on this machine asks for others.
    is_proxied = any(name in request.headers for name in _PROXIED)
    return is_loopback(client) and not is_proxied and is_loopback(request.url.hostname or "")


async def _looked_up(store: Store, now: datetime) -> list[Metric]:
    try:
        entries = await store.agenda.open_entries(now)
        overdue = await store.agenda.most_overdue(now)
        messages = await store.hl7_quarantine.counts()
        waiting = await store.hl7_quarantine.oldest_open()
        told = await store.hl7_outbox.counts()
    except StoreUnavailable:
        return [metrics.gauge("fhir_database_up", "Whether MongoDB answers.", "name", [("mongodb", 0)])]
    lag = 0.0 if overdue is None else (now - overdue).total_seconds()
    return [
        metrics.gauge("fhir_database_up", "Whether MongoDB answers.", "name", [("mongodb", 1)]),
        metrics.gauge("fhir_agenda_entries", "What is to be done, by state.", "state", _sums(entries, None)),
        metrics.gauge(
            "fhir_outbox_messages", "Notices that are to be sent, by state.", "state", _sums(entries, NOTIFY)
        ),
        metrics.gauge(
            "fhir_agenda_lag_seconds",
            "How long the most overdue entry has been due.",
            "of",
            [("agenda", lag)],
        ),
        *_outbox(told),
        *_of_messages(messages, 0.0 if waiting is None else (now - waiting).total_seconds()),
    ]


def _of_messages(counts: Mapping[tuple[str, str], int], lag: float) -> list[Metric]:
    """Return how many HL7 v2 messages wait to be applied, and how many for a person, by channel."""
    told = {"received": "to be applied", "refused": "for a person, in quarantine"}
    found = [
        metrics.gauge(
            f"fhir_hl7v2_{'open' if state == 'received' else 'quarantined'}_messages",
            f"HL7 v2 messages that wait {what}.",
            "channel",
            [(channel, number) for (other, channel), number in counts.items() if other == state],
        )
        for state, what in told.items()
    ]
    text = "How long the HL7 v2 message has waited that waits longest to be applied."
    return [*found, metrics.gauge("fhir_hl7v2_lag_seconds", text, "of", [("inbox", lag)])]


def _outbox(counts: Mapping[tuple[str, str], int]) -> list[Metric]:
    """Return how many HL7 v2 messages to other systems are not done, by destination."""
    told = {
        "waiting": "are to be sent",
        "accepted": "were taken (CA), and not processed yet as far as is known",
        "parked": "wait for a person, as they do not go through",
    }
    return [
        metrics.gauge(
            f"fhir_hl7v2_outbox_{state}",
            f"HL7 v2 messages to other systems that {what}.",
            "destination",
            [(name, number) for (name, found), number in sorted(counts.items()) if found == state],
        )
        for state, what in told.items()
    ]


def _sums(entries: Mapping[tuple[str, str], int], action: str | None) -> list[tuple[str, float]]:
    """Return the number of entries by state, those of one action only if it is given."""
    sums: dict[str, Any] = {"due": 0, "planned": 0, "parked": 0}
    for (state, other), number in entries.items():
        if action in (None, other):
            sums[state] += number
    return list(sums.items())
