"""Destinations: the systems that are told by HL7 v2 messages what happens here, as the file of channels says.

A destination is a table `[[destination]]` of its own, or `[channel.destination]` of the channel by which the
same system sends to us. https://toml.io/en/v1.0.0
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hl7.charset import codec_of
from hl7.errors import UnsupportedCharset

VERSIONS = ("2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.2", "2.9")
_ORDERS = frozenset({"OML^O21", "ORM^O01"})
_MESSAGE = re.compile(r"[A-Z]{3}(\^[A-Z][0-9]{2})?")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SYSTEM = re.compile(r"(urn:|https?://)[^\s]+")
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "version": VERSIONS,
    "processing_id": ("P", "T", "D"),
    "after_error": ("continue", "hold"),
    "charges": ("items", "invoices"),
}
_NUMBERS: Mapping[str, tuple[float, float]] = {
    "port": (1, 65_535),
    "connections": (1, 32),
    "retries": (0, 1000),
    "connect_seconds": (0.05, 600),
    "answer_seconds": (0.05, 3600),
    "application_seconds": (1, 30 * 86_400),
    "first_pause": (0.01, 3600),
    "longest_pause": (0.01, 86_400),
}
_WHOLE = ("port", "connections", "retries")
_TEXTS = ("host", "charset", "sending_application", "sending_facility", "server_name")
_FLAGS = ("tls", "enhanced")
_FILES = ("folder", "certificate_authorities", "certificate", "key")


class WrongDestination(Exception):
    """A table of the file of channels names no usable destination; the message says where and why.

    `line` counts from 1, `reason` is what is wrong, and begins with the key that it is about.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class _Wrong(Exception):
    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key} {reason}")
        self.key = key


@dataclass(frozen=True, slots=True)
class Destination:
    """Where messages go, and how.

    `host` and `port` are those of its MLLP listener, or `folder` is where files for it are put. `messages`
    are those that it wants: a code (`ADT`) or a code and an event (`ADT^A01`). `sending_application` and
    `sending_facility` are ours (MSH-3 and MSH-4), the `receiving_` ones are MSH-5 and MSH-6. `authorities`
    are the FHIR systems of identifiers, by HD-1 or, where it is an OID, HD-2. `time_zone` is that of MSH-7.
    `categories` are the codes of those orders and reports that it wants, () for all. `charges` says whether
    DFT tells of single charges when they are billable, or of all those of an invoice when it is issued.

    With `tls` the connection is encrypted: `certificate_authorities` (PEM; None for the public ones) vouch
    for the other side, `certificate` and `key` are ours, and `server_name` is the name in its certificate, if
    it is not the host. `enhanced` asks for accept and application acknowledgments (MSH-15 and MSH-16), and
    for the latter to come within `application_seconds`. There are as many as `connections` at a time; an
    answer is waited for during `answer_seconds`. Of what may go well later there are `retries`, after pauses
    that double from `first_pause` to `longest_pause` seconds. After a message that the system refuses, the
    others of the same patient go on (`continue`) or wait for a person (`hold`).
    """

    name: str
    host: str = ""
    port: int = 0
    folder: Path | None = None
    version: str = "2.5.1"
    charset: str = "UNICODE UTF-8"
    processing_id: str = "P"
    messages: tuple[str, ...] = ()
    sending_application: str = "FHIR"
    sending_facility: str = "HOSPITAL"
    receiving_application: str = ""
    receiving_facility: str = ""
    authorities: Mapping[str, str] = field(default_factory=dict, hash=False)
    time_zone: ZoneInfo = field(default=ZoneInfo("UTC"))
    categories: tuple[str, ...] = ()
    charges: Literal["items", "invoices"] = "items"
    tls: bool = False
    certificate_authorities: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str = ""
    enhanced: bool = False
    application_seconds: float = 3600.0
    connections: int = 1
    connect_seconds: float = 10.0
    answer_seconds: float = 30.0
    retries: int = 20
    first_pause: float = 2.0
    longest_pause: float = 600.0
    after_error: Literal["continue", "hold"] = "continue"

    def wants(self, message: str) -> bool:
        """Tell whether a message such as `ADT^A01` is to be sent.

        OML^O21 and ORM^O01 are one and the same.
        """
        names = _ORDERS if message in _ORDERS else {message}
        return any(name in self.messages or name[:3] in self.messages for name in names)

    def is_before(self, version: str) -> bool:
        """Tell whether the messages are of an earlier version of HL7 than `version`."""
        return VERSIONS.index(self.version) < VERSIONS.index(version)

    @property
    def codec(self) -> str:
        """Python's name of the character set."""
        return codec_of(self.charset)


@cache
def load_destinations(path: Path) -> tuple[Destination, ...]:
    """Return the destinations of a file of channels; paths in it are from its own folder.

    Looks at nothing else in the file. Raises WrongDestination for the first one that is wrong, ValueError if
    the file is no TOML, and OSError if it cannot be read.
    """
    text = path.read_text(encoding="utf-8")
    return destinations(tomllib.loads(text), text, path.parent)


def destinations(data: Mapping[str, Any], text: str, folder: Path) -> tuple[Destination, ...]:
    """Return the destinations in a file that is read: `data` is its content, `text` the file itself.

    Raises WrongDestination for the first one that is wrong.
    """
    found: dict[str, Destination] = {}
    for table, defaults, line in _tables(data, text):
        try:
            one = _destination(table, defaults, folder)
        except _Wrong as wrong:
            raise WrongDestination(_line_of(text, wrong.key, line), str(wrong)) from None
        if one.name in found:
            raise WrongDestination(_line_of(text, "name", line), f"name {one.name} is that of another one")
        found[one.name] = one
    return tuple(found.values())


def _tables(data: Mapping[str, Any], text: str) -> Iterator[tuple[Any, Mapping[str, Any], int]]:
    """Yield each table, what holds for it if it does not say it itself, and where it begins."""
    channels = data.get("channel", ())
    lines = _lines(text, r"\[\[\s*channel\s*\]\]")
    for place, channel in enumerate(channels if isinstance(channels, list) else ()):
        if isinstance(channel, dict) and "destination" in channel:
            within = _lines(text, r"\[\s*channel\s*\.\s*destination\s*\]", _at(lines, place))
            yield channel["destination"], _of_channel(channel), _at(within or lines, 0)
    alone = _lines(text, r"\[\[\s*destination\s*\]\]")
    listed = data.get("destination", [])
    if not isinstance(listed, list):
        raise WrongDestination(_line_of(text, "destination", 1), "destination is [[destination]] here")
    for place, table in enumerate(listed):
        yield table, {}, _at(alone, place)


def _of_channel(channel: Mapping[str, Any]) -> dict[str, Any]:
    kept = {
        key: channel[key] for key in ("name", "authorities", "time_zone", "processing_id") if key in channel
    }
    kept["receiving_application"] = channel.get("sending_application", "")
    kept["receiving_facility"] = channel.get("sending_facility", "")
    return kept


def _destination(table: Any, defaults: Mapping[str, Any], folder: Path) -> Destination:
    if not isinstance(table, dict):
        raise _Wrong("destination", "is a table")
    known = {one.name for one in fields(Destination)}
    if unknown := [key for key in table if key not in known]:
        raise _Wrong(unknown[0], "is nothing that is known here")
    given = {**defaults, **table}
    values: dict[str, Any] = {"name": _name(given)}
    for key in (key for key in given if key not in ("name", *values)):
        values[key] = _value(given, key, folder)
    if "messages" not in values:
        raise _Wrong("messages", "is missing: which are to be sent?")
    found = Destination(**values)
    _check(found, table)
    return found


def _value(table: Mapping[str, Any], key: str, folder: Path) -> Any:
    value = table[key]
    if key in _CHOICES:
        return _one_of(key, value)
    if key in _NUMBERS:
        return _number(key, value)
    if key in _FLAGS:
        return _checked(key, value, isinstance(value, bool), "is true or false")
    if key in ("messages", "categories"):
        return _texts(key, value)
    if key == "authorities":
        is_map = isinstance(value, dict) and all(
            isinstance(one, str) and _SYSTEM.fullmatch(one) for one in value.values()
        )
        return _checked(key, value, is_map, 'is { NAMESPACE = "urn:oid:..." }, with a URI for each')
    text: str = _checked(key, value, isinstance(value, str), "is a text")
    if key == "time_zone":
        return _time_zone(text)
    if key == "charset":
        return _charset(text)
    _checked(
        key, value, bool(text) or key.startswith("receiving_") or key not in (*_TEXTS, *_FILES), "is empty"
    )
    return folder / text if key in _FILES else text


def _check(found: Destination, table: Mapping[str, Any]) -> None:
    """Raise what is wrong with keys that belong together."""
    if (found.folder is None) == (not found.host):
        raise _Wrong("host" if found.host else "folder", "is what it has: either host and port, or a folder")
    if found.host and not found.port:
        raise _Wrong("port", "is missing")
    if (found.certificate is None) != (found.key is None):
        raise _Wrong(
            "key" if found.certificate is None else "certificate", "is given with the other of the two"
        )
    for key in ("certificate_authorities", "certificate", "server_name"):
        if key in table and not found.tls:
            raise _Wrong(key, "is for tls = true")
    for key in ("certificate_authorities", "certificate", "key"):
        path = getattr(found, key)
        if path is not None and not path.is_file():
            raise _Wrong(key, "is no file that is there")


def _name(table: Mapping[str, Any]) -> str:
    value = table.get("name")
    is_name = isinstance(value, str) and _NAME.fullmatch(value) is not None
    return str(_checked("name", value, is_name, "has lower case letters, digits, '.', '_' and '-'"))


def _one_of(key: str, value: Any) -> Any:
    return _checked(key, value, value in _CHOICES[key], f"is one of {', '.join(_CHOICES[key])}")


def _number(key: str, value: Any) -> Any:
    least, most = _NUMBERS[key]
    kinds = int if key in _WHOLE else int | float
    is_right = isinstance(value, kinds) and not isinstance(value, bool) and least <= value <= most
    return _checked(key, value, is_right, f"is a number from {least:g} to {most:g}")


def _texts(key: str, value: Any) -> tuple[str, ...]:
    is_list = isinstance(value, list) and all(isinstance(one, str) and one for one in value)
    if key == "messages":
        is_list = is_list and bool(value) and all(_MESSAGE.fullmatch(one) for one in value)
        return tuple(_checked(key, value, is_list, "is a list of messages such as ADT or OML^O21"))
    return tuple(_checked(key, value, is_list, "is a list of codes"))


def _time_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _Wrong("time_zone", "is a name of the IANA time zones, such as Europe/Berlin") from None


def _charset(name: str) -> str:
    try:
        codec_of(name)
    except UnsupportedCharset:
        raise _Wrong("charset", "is a name of table 0211, such as UNICODE UTF-8 or 8859/1") from None
    return name


def _checked(key: str, value: Any, is_right: bool, wanted: str) -> Any:
    if not is_right:
        raise _Wrong(key, wanted)
    return value


def _lines(text: str, header: str, start: int = 0) -> list[int]:
    """Return the lines, counted from 1 and not before `start`, that are such a header."""
    pattern = re.compile(rf"\s*{header}")
    return [
        number for number, line in enumerate(text.splitlines(), 1) if number >= start and pattern.match(line)
    ]


def _at(lines: Sequence[int], place: int) -> int:
    return lines[place] if place < len(lines) else 1


def _line_of(text: str, key: str, start: int) -> int:
    """Return the line of a key in the table that begins at a line; that line itself if it is not there."""
    for number, line in enumerate(text.splitlines()[start:], start + 1):
        if re.match(r"\s*\[", line):
            break
        if re.match(rf"\s*\"?{re.escape(key)}\"?\s*(=|\.)", line):
            return number
    return start
