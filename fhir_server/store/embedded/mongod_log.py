"""MongoDB's log file: kept from growing without end, and read for the reason when MongoDB fails.

https://www.mongodb.com/docs/manual/reference/log-messages/
"""

import json
from pathlib import Path
from typing import Any

_LARGEST_BYTES = 8 * 1024 * 1024
_TAIL_BYTES = 64 * 1024
_LONGEST_REASON = 300


def rotate(log: Path) -> None:
    """Put a log that has grown large aside as `<name>.1`, in place of the one put aside before."""
    if log.exists() and log.stat().st_size > _LARGEST_BYTES:
        log.replace(log.with_name(log.name + ".1"))


def last_failure(log: Path, start: int) -> str | None:
    """Return what the last line of severity F or E says in the log after byte `start`, or None."""
    try:
        with log.open("rb") as file:
            file.seek(max(start, log.stat().st_size - _TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return None
    entries = (_entry(line) for line in reversed(lines))
    return next((_reason(entry) for entry in entries if entry.get("s") in ("F", "E")), None)


def _entry(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}  # the first line may be cut
    return entry if isinstance(entry, dict) else {}


def _reason(entry: dict[str, Any]) -> str:
    attributes = entry.get("attr") or {}
    detail = attributes.get("error") or attributes.get("reason") or ""
    if isinstance(detail, dict):
        detail = detail.get("errmsg", "")
    text = f"{entry.get('msg', '')} {detail}".strip()
    return " ".join(text.split())[:_LONGEST_REASON]
