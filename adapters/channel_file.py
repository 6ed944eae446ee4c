"""Reads the file of channels; what is wrong with it is told with its line, before the server starts.

`docs/hl7v2.md` describes the file. https://toml.io/en/v1.0.0
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from adapters.channels import Channel, Channels, Drop, Listener
from adapters.destinations import Destination, WrongDestination, destinations

_TABLES = ("channel", "listener", "destination", "drop")
_LINE = re.compile(r"line (\d+)")
_FIELD_NAME = re.compile(r"[A-Z][A-Z0-9]{2}-[1-9][0-9]{0,2}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SYSTEM = re.compile(r"(urn:|https?://)[^\s]+")
_CHOICES = {
    "processing_id": ("P", "T", "D"),
    "unknown_authority": ("quarantine", "urn"),
    "unknown_code": ("keep", "refuse"),
    "unknown_loser": ("tombstone", "refuse"),
    "encounter_a04": ("arrived", "in-progress"),
}


class WrongChannels(Exception):
    """The file of channels is not usable; the message, one line, says where and why."""


class _Wrong(Exception):
    """What is wrong with a key of a table."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key} {reason}" if key else reason)
        self.key = key


@cache
def load_channels(path: Path) -> Channels:
    """Return the channels and listeners of a file; paths in it are from its own folder.

    Raises WrongChannels, with the line, for a file that cannot be read or says something that is not known.
    """
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as failure:
        raise WrongChannels(f"{path} cannot be read ({failure.strerror})") from None
    except UnicodeDecodeError:
        raise WrongChannels(f"{path} is not UTF-8") from None
    except tomllib.TOMLDecodeError as failure:
        line = _LINE.search(str(failure))
        number = line[1] if line else str(text.count("\n") + 1)
        raise WrongChannels(f"{path}, line {number}: this is not TOML: {failure}") from None
    if unknown := [key for key in data if key not in _TABLES]:
        raise WrongChannels(
            f"{path}, line {_line_of_key(text, 0, unknown[0])}: there is no {unknown[0]} here"
        )
    channels = _tables(path, text, data, "channel", _channel)
    listeners = _tables(path, text, data, "listener", lambda table: _listener(table, path.parent))
    drops = _tables(path, text, data, "drop", lambda table: _drop(table, path.parent))
    where = _destinations(path, text, data)
    joined = (replace(one, destination=where.get(one.name)) for one in channels)
    found = Channels(tuple(joined), tuple(listeners), tuple(where.values()), tuple(drops))
    _check_all(path, text, found)
    return found


def _destinations(path: Path, text: str, data: Mapping[str, Any]) -> dict[str, Destination]:
    """Return the destinations by their names; that of a channel has the channel's name."""
    try:
        return {one.name: one for one in destinations(data, text, path.parent)}
    except WrongDestination as failure:
        raise WrongChannels(f"{path}, line {failure.line}: {failure.reason}") from None


def _tables(
    path: Path, text: str, data: Mapping[str, Any], kind: str, read: Callable[[Mapping[str, Any]], Any]
) -> list[Any]:
    tables = data.get(kind, [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise WrongChannels(f"{path}, line {_line_of_key(text, 0, kind)}: this is [[{kind}]]")
    found = []
    for place, table in enumerate(tables):
        try:
            found.append(read(table))
        except _Wrong as failure:
            line = _line_of_key(text, _line_of_table(text, kind, place), failure.key)
            raise WrongChannels(f"{path}, line {line}: {failure}") from None
    return found


def _check_all(path: Path, text: str, found: Channels) -> None:
    """Raise WrongChannels for what two tables say differently, or name and do not have."""
    for kind, names in (
        ("channel", [one.name for one in found.channels]),
        ("listener", [one.name for one in found.listeners]),
        ("drop", [one.name for one in found.drops]),
    ):
        for place, name in enumerate(names):
            if name in names[:place]:
                line = _line_of_key(text, _line_of_table(text, kind, place), "name")
                raise WrongChannels(f"{path}, line {line}: there are two of the name {name}")
    senders: dict[tuple[Any, ...], str] = {}
    for place, one in enumerate(found.channels):
        key = one.sending_application, one.sending_facility, one.processing_id, one.peers
        if key in senders:
            line = _line_of_table(text, "channel", place)
            raise WrongChannels(f"{path}, line {line}: {senders[key]} has the same sender already")
        senders[key] = one.name
    for place, listener in enumerate(found.listeners):
        if unknown := [name for name in listener.channels if found.named(name) is None]:
            line = _line_of_key(text, _line_of_table(text, "listener", place), "channels")
            raise WrongChannels(f"{path}, line {line}: there is no channel {unknown[0]}")


def _channel(table: Mapping[str, Any]) -> Channel:
    _check_keys(table, {one.name for one in fields(Channel)})
    values: dict[str, Any] = {
        "name": _name(table),
        "sending_application": _text(table, "sending_application"),
        "sending_facility": _text(table, "sending_facility", default=""),
        "time_zone": _time_zone(table),
        "authorities": _authorities(table),
        "required_fields": _texts(table, "required_fields", _FIELD_NAME, "a list of fields such as PID-3"),
        "peers": tuple(_peer(one) for one in _texts(table, "peers", None, "a list of texts")),
    }
    if "charset" in table:
        values["charset"] = _text(table, "charset")
    for key in ("snapshot", "strict", "shadow"):
        values[key] = _boolean(table, key)
    for key, choices in _CHOICES.items():
        if key in table:
            values[key] = _choice(table, key, choices)
    return Channel(**values)


def _drop(table: Mapping[str, Any], folder: Path) -> Drop:
    _check_keys(table, {one.name for one in fields(Drop)})
    found = Drop(_name(table), folder / _text(table, "folder"))
    if "stable_seconds" in table:
        found = replace(found, stable_seconds=_seconds(table, "stable_seconds", 3600))
    return found


def _listener(table: Mapping[str, Any], folder: Path) -> Listener:
    _check_keys(table, {one.name for one in fields(Listener)})
    files: dict[str, Any] = {
        key: folder / _text(table, key)
        for key in ("certificate", "key", "certificate_authorities")
        if key in table
    }
    found = Listener(
        name=_name(table),
        host=_text(table, "host", default="127.0.0.1"),
        port=_port(table),
        plain=_boolean(table, "plain"),
        channels=_texts(table, "channels", _NAME, "a list of names of channels"),
        **files,
    )
    if (found.certificate is None) != (found.key is None):
        raise _Wrong("certificate" if found.key is None else "key", "is given with the other of the two")
    if found.certificate_authorities is not None and found.certificate is None:
        raise _Wrong("certificate_authorities", "is for a listener with a certificate")
    if found.is_open:
        raise _Wrong("host", "is beyond this machine: give certificate and key, or plain = true")
    if "idle_seconds" in table:
        found = replace(found, idle_seconds=_seconds(table, "idle_seconds", 604_800))
    if "max_bytes" in table:
        found = replace(found, max_bytes=_whole(table, "max_bytes", 1024, 256 * 1024 * 1024))
    return found


def _check_keys(table: Mapping[str, Any], known: set[str]) -> None:
    if unknown := [key for key in table if key not in known]:
        raise _Wrong(unknown[0], "is nothing that is known here")


def _text(table: Mapping[str, Any], key: str, *, default: str | None = None) -> str:
    value = table.get(key, default)
    if value is None:
        raise _Wrong("", f"{key} is missing")
    if not isinstance(value, str) or (not value and default is None):
        raise _Wrong(key, "is a text")
    return value


def _name(table: Mapping[str, Any]) -> str:
    name = _text(table, "name")
    if _NAME.fullmatch(name) is None:
        raise _Wrong("name", "has lower case letters, digits, '.', '_' and '-'")
    return name


def _texts(
    table: Mapping[str, Any], key: str, pattern: re.Pattern[str] | None, wanted: str
) -> tuple[str, ...]:
    value = table.get(key, [])
    is_list = isinstance(value, list) and all(isinstance(one, str) and one for one in value)
    if not is_list or (pattern is not None and not all(pattern.fullmatch(one) for one in value)):
        raise _Wrong(key, f"is {wanted}")
    return tuple(value)


def _peer(text: str) -> str:
    kind, equals, value = text.partition("=")
    if equals and kind in ("cn", "client") and value:
        return text
    try:
        ip_network(text, strict=False)
    except ValueError:
        raise _Wrong("peers", "has addresses, networks, cn=... and client=...") from None
    return text


def _boolean(table: Mapping[str, Any], key: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise _Wrong(key, "is true or false")
    return value


def _choice(table: Mapping[str, Any], key: str, choices: tuple[str, ...]) -> str:
    value = table[key]
    if value not in choices:
        raise _Wrong(key, f"is one of {', '.join(choices)}")
    return str(value)


def _whole(table: Mapping[str, Any], key: str, least: int, most: int) -> int:
    value = table.get(key)
    if type(value) is not int or not least <= value <= most:
        raise _Wrong(key if key in table else "", f"{key} is a whole number from {least} to {most}")
    return value


def _port(table: Mapping[str, Any]) -> int:
    return _whole(table, "port", 1, 65_535)


def _seconds(table: Mapping[str, Any], key: str, most: int) -> float:
    value = table[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise _Wrong(key, f"is a number of seconds, {most} at most")
    return float(value)


def _time_zone(table: Mapping[str, Any]) -> ZoneInfo:
    name = _text(table, "time_zone")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _Wrong("time_zone", "is a name of the IANA time zones, such as Europe/Berlin") from None


def _authorities(table: Mapping[str, Any]) -> dict[str, str]:
    value = table.get("authorities", {})
    if not isinstance(value, dict) or not all(
        isinstance(one, str) and _SYSTEM.fullmatch(one) for one in value.values()
    ):
        raise _Wrong("authorities", 'is { NAMESPACE = "urn:oid:..." }, with a URI for each')
    return value


def _line_of_table(text: str, kind: str, place: int) -> int:
    """Return the line (from 1) of the table of a kind that comes `place` after its first one."""
    header = re.compile(rf"\s*\[\[\s*{kind}\s*\]\]")
    lines = [number for number, line in enumerate(text.splitlines(), 1) if header.match(line)]
    return lines[place] if place < len(lines) else 1


def _line_of_key(text: str, start: int, key: str) -> int:
    """Return the line of a key in the table that begins at line `start` (from 1); that line without it."""
    lines = text.splitlines()
    for number, line in enumerate(lines[start:], start + 1):
        if re.match(r"\s*\[\[", line):
            break
        if key and re.match(rf"\s*(\"?{re.escape(key)}\"?\s*(=|\.)|\[+[^\]]*\b{re.escape(key)}\s*\]+)", line):
            return number
    return max(start, 1)
