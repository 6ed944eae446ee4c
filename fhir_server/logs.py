"""Structured log lines on standard error: JSON for machines, or coloured text for people.

No line may hold a patient's data. A request's line therefore has no path and no query, which hold names and
identifiers; and of an exception only its class and its way through the code are written here, as its message
may quote what was stored.
https://www.structlog.org/en/stable/performance.html
"""

import logging
import os
import sys
from collections.abc import MutableMapping
from pathlib import Path
from traceback import extract_tb
from types import TracebackType
from typing import Any

import orjson
import structlog

from fhir_server.settings import Settings

_Event = MutableMapping[str, Any]
_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_MOST_FRAMES = 12
_STDERR = 2


def configure_logs(settings: Settings) -> None:
    """Set up structlog, and the standard library's logging to go through it, for the whole process."""
    is_for_people = settings.log_format == "auto" and os.isatty(_STDERR)
    as_json = not (is_for_people or settings.log_format == "console")
    level = _LEVELS[settings.log_level]
    # The descriptor rather than sys.stderr: that may be replaced, and closed, while loggers live on.
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            describe_exception,
            structlog.processors.JSONRenderer(orjson.dumps) if as_json else structlog.dev.ConsoleRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(os.fdopen(_STDERR, "wb", closefd=False))
        if as_json
        else structlog.PrintLoggerFactory(os.fdopen(_STDERR, "w", closefd=False)),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_ToStructlog()]
    root.setLevel(max(level, logging.WARNING))


def describe_exception(_logger: Any, _method: str, event: _Event) -> _Event:
    """Replace `exc_info` (an exception, or True for the present one) by its class and where it passed."""
    given = event.pop("exc_info", None)
    exception = sys.exc_info()[1] if given is True else given
    if isinstance(exception, tuple):
        exception = exception[1]
    if isinstance(exception, BaseException):
        event["exception"] = f"{type(exception).__module__}.{type(exception).__qualname__}"
        event["passed"] = _frames(exception.__traceback__)
    return event


def _frames(traceback: TracebackType | None) -> list[str]:
    frames = extract_tb(traceback)[-_MOST_FRAMES:]
    return [f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno} {frame.name}" for frame in frames]


class _ToStructlog(logging.Handler):
    """Hands the lines of libraries (uvicorn, asyncio) to structlog; lives as long as the process."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's first line: asyncio puts the repr of tasks, and thus data, on later ones."""
        first_line = record.getMessage().partition("\n")[0]
        structlog.get_logger().log(
            record.levelno, first_line, logger=record.name, exc_info=record.exc_info or None
        )
