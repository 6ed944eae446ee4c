"""What the server counts of its own work, for Prometheus: no names, no values, no ids of anybody.

Each label has few values: what is not known by the definitions is told as one. With several processes the
numbers are shared by files (`prometheus_client.multiprocess`), and any process tells those of all.
https://prometheus.io/docs/instrumenting/exposition_formats/, https://prometheus.github.io/client_python/multiprocess/
"""

import os
from collections.abc import Iterable
from functools import cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily, Metric

from resources.definitions import resource_types
from resources.operation_outcome import FhirError

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder of the files; it is set before this module is imported."""

_OTHER = "other"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

_registry = CollectorRegistry()
_requests = Counter(
    "fhir_requests",
    "Requests to the FHIR interface that were answered.",
    ("interaction", "type", "status"),
    registry=_registry,
)
_seconds = Histogram(
    "fhir_request_seconds",
    "How long these took.",
    ("interaction",),
    buckets=_SECONDS,
    registry=_registry,
)
_refusals = Counter(
    "fhir_rule_refusals",
    "How often a rule of the hospital's work refused a transaction.",
    ("rule",),
    registry=_registry,
)
open_transactions = Gauge(
    "fhir_open_transactions",
    "Transactions of MongoDB that are open.",
    registry=_registry,
    multiprocess_mode="livesum",
)


_told = Counter(
    "fhir_hl7v2_sent",
    "HL7 v2 messages that were sent, by destination and what came of it.",
    ("destination", "result"),
    registry=_registry,
)
_messages = {
    "received": Counter(
        "fhir_hl7v2_received", "HL7 v2 messages that came.", ("channel",), registry=_registry
    ),
    "answered": Counter(
        "fhir_hl7v2_answered",
        "Acknowledgments of HL7 v2 messages, by code.",
        ("channel", "code"),
        registry=_registry,
    ),
    "refused": Counter(
        "fhir_hl7v2_refused",
        "HL7 v2 messages that went into quarantine, by reason (table 0357).",
        ("channel", "code"),
        registry=_registry,
    ),
    "warned": Counter(
        "fhir_hl7v2_warnings",
        "What was odd about HL7 v2 messages that were taken, by reason (table 0357); 0: an unused segment.",
        ("channel", "code"),
        registry=_registry,
    ),
    "junk": Counter("fhir_hl7v2_junk_bytes", "Bytes between MLLP frames.", registry=_registry),
}
_message_seconds = Histogram(
    "fhir_hl7v2_seconds",
    "How long HL7 v2 messages took from their arrival until they were applied.",
    ("channel",),
    buckets=_SECONDS,
    registry=_registry,
)


def told(destination: str, result: str) -> None:
    """Count a message that was sent: sent, accepted, retry, park, unanswered, unreachable."""
    _told.labels(destination, result).inc()


class _Messages:
    """Counts HL7 v2 messages (see `adapters.observing.Observer`)."""

    def received(self, channel: str) -> None:
        """Count a message that came."""
        _messages["received"].labels(channel).inc()

    def answered(self, channel: str, code: str) -> None:
        """Count an acknowledgment."""
        _messages["answered"].labels(channel, code).inc()

    def refused(self, channel: str, code: str) -> None:
        """Count a message that went into quarantine."""
        _messages["refused"].labels(channel, code).inc()

    def warned(self, channel: str, code: str) -> None:
        """Count a warning about a message that was taken."""
        _messages["warned"].labels(channel, code).inc()

    def lag(self, channel: str, seconds: float) -> None:
        """Take note of how long a message took."""
        _message_seconds.labels(channel).observe(max(0.0, seconds))

    def junk(self, count: int) -> None:
        """Count bytes between frames."""
        _messages["junk"].inc(count)


messages = _Messages()
"""Takes note of what happens to HL7 v2 messages."""


def answered(interaction: str, resource_type: str | None, status: int, seconds: float) -> None:
    """Count a request."""
    known = resource_type if resource_type in _types() else "" if resource_type is None else _OTHER
    _requests.labels(interaction, known, str(status)).inc()
    _seconds.labels(interaction).observe(seconds)


@cache
def _types() -> frozenset[str]:
    return frozenset(resource_types())


def refused(failure: FhirError) -> None:
    """Count the rules that a refusal names, once however often it is told of."""
    rules = [issue.rule for issue in failure.issues if issue.rule]
    if rules and not getattr(failure, "is_counted", False):
        failure.is_counted = True  # type: ignore[attr-defined]
        for rule in rules:
            _refusals.labels(rule).inc()


class _Found:
    """What is looked up for one answer."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = tuple(metrics)

    def collect(self) -> Iterable[Metric]:
        """Return it."""
        return self._metrics


def gauge(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    """Return a gauge that is looked up, by one label."""
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values:
        family.add_metric([value], number)
    return family


def exposition(found: Iterable[Metric]) -> bytes:
    """Return all that was counted, by all processes, and what was `found` just now."""
    counted = _registry
    if SHARED in os.environ:
        counted = CollectorRegistry()
        multiprocess.MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    looked_up = CollectorRegistry()
    looked_up.register(_Found(found))
    return generate_latest(counted) + generate_latest(looked_up)


def forget_process(pid: int) -> None:
    """Let what only a living process has not count any more for one that has ended."""
    if SHARED in os.environ:
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
