"""MongoDB's log file: kept from growing without end, and read for the reason when MongoDB fails.

https://www.mongodb.com/docs/manual/reference/log-messages/
"""

import json
from collections import deque
from pathlib import Path
from typing import Any

_LARGEST_BYTES = 8 * 1024 * 1024
_TAIL_BYTES = 64 * 1024
_LONGEST_REASON = 300
# A stack trace is written after the reason.
_COMPLAINTS = 4
_LAST_WORDS_BYTES = 2 * 1024 * 1024


def rotate(log: Path) -> None:
    """Put a log that has grown large aside as `<name>.1`, in place of the one put aside before."""
    if log.exists() and log.stat().st_size > _LARGEST_BYTES:
        log.replace(log.with_name(log.name + ".1"))


def last_failure(log: Path, start: int) -> str | None:
    """Return what the last line of severity F or E says in the log after byte `start`, or None."""
    entries = (_entry(line) for line in reversed(_lines(log, start, _TAIL_BYTES)))
    return next((_reason(entry) for entry in entries if entry.get("s") in ("F", "E")), None)


def last_words(log: Path, start: int) -> str | None:
    """Return why MongoDB gave up, as it says in the log after byte `start`; None if it did not say.

    That is its first line of severity F, and the last complaints of the storage engine before it. Other
    complaints may quote what is stored, and are left out.
    """
    told: deque[str] = deque(maxlen=_COMPLAINTS)
    for entry in map(_entry, _lines(log, start, _LAST_WORDS_BYTES)):
        is_of_storage = str(entry.get("c")).startswith(("WT", "STORAGE"))
        if entry.get("s") == "F" or (entry.get("s") == "E" and is_of_storage):
            told.append(_reason(entry))
        if entry.get("s") == "F":
            break
    return "; ".join(told) or None


def _lines(log: Path, start: int, most: int) -> list[bytes]:
    try:
        with log.open("rb") as file:
            file.seek(max(start, log.stat().st_size - most))
            return file.read().splitlines()
    except OSError:
        return []


def _entry(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}  # the first line may be cut
    return entry if isinstance(entry, dict) else {}


def _reason(entry: dict[str, Any]) -> str:
    attributes = entry.get("attr") or {}
    told = attributes.get("message")
    detail = told.get("error_str", "") if isinstance(told, dict) else ""
    detail = detail or attributes.get("error") or attributes.get("reason") or attributes.get("msgid") or ""
    if isinstance(detail, dict):
        detail = detail.get("errmsg", "")
    text = f"{entry.get('msg', '')} {detail}".strip()
    return " ".join(text.split())[:_LONGEST_REASON]
