"""Channels: which systems send HL7 v2 messages, and how theirs are to be read; a TOML file says it.

A channel is chosen by MSH-3 and MSH-4 of a message and by who sent it. `docs/hl7v2.md` describes the file.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from adapters.destinations import Destination
from hl7.errors import (
    TABLE_VALUE_NOT_FOUND,
    UNSUPPORTED_PROCESSING_ID,
    Location,
    UnsupportedMessage,
)
from hl7.message import Header, Repetition

UnknownAuthority = Literal["quarantine", "urn"]
UnknownCode = Literal["keep", "refuse"]
UnknownLoser = Literal["tombstone", "refuse"]
EncounterOfA04 = Literal["arrived", "in-progress"]


@dataclass(frozen=True, slots=True)
class Peer:
    """Who sent a message, as the network knows it.

    `address` is the IP address ("" if there is none, as for a file), `common_name` the CN of the certificate
    that the system showed (mutual TLS), and `client` the id of the application whose token came with it
    (HTTP). `listener` is the name of the listener that took it.
    """

    address: str = ""
    common_name: str | None = None
    client: str | None = None
    listener: str = ""


LOCAL = Peer("127.0.0.1")
"""A program on this machine itself, such as one that drops files."""


@dataclass(frozen=True, slots=True)
class Drop:
    """A folder that is watched for files with messages.

    A file counts as whole when it has not changed for `stable_seconds`.
    """

    name: str
    folder: Path
    stable_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class Channel:
    """A system that sends messages, and how they are read.

    `sending_application` and `sending_facility` are the first components of MSH-3 and MSH-4. `time_zone`
    holds for times without an offset; `charset` (a name of table 0211) goes before MSH-18. `processing_id` is
    the only MSH-11 that is taken. `authorities` are the FHIR systems of identifiers, by HD-1 (namespace) or
    HD-2 (OID). `required_fields` are names such as `PID-3`. `unknown_authority`, `unknown_code` and
    `unknown_loser` say what to do with what is not known; `snapshot` whether a result lists all of its
    observations, so that one that is missing is withdrawn. `peers` are addresses and networks, `cn=...`
    (certificates) and `client=...` (applications) that may send; without any, programs on this machine.
    `strict` has hl7apy look at each message. A `shadow` changes nothing: it is looked what its messages would
    change, while another system still does. `encounter_a04` is the status of an Encounter after an A04.
    `destination` is where our own messages for the system go.
    """

    name: str
    sending_application: str
    sending_facility: str
    time_zone: ZoneInfo
    charset: str | None = None
    processing_id: str = "P"
    authorities: Mapping[str, str] = field(default_factory=dict, hash=False)
    required_fields: tuple[str, ...] = ()
    unknown_authority: UnknownAuthority = "quarantine"
    unknown_code: UnknownCode = "keep"
    unknown_loser: UnknownLoser = "tombstone"
    snapshot: bool = False
    peers: tuple[str, ...] = ()
    strict: bool = False
    shadow: bool = False
    encounter_a04: EncounterOfA04 = "arrived"
    destination: Destination | None = None

    def admits(self, peer: Peer) -> bool:
        """Tell whether `peer` may send messages of this channel."""
        if peer.client is not None:
            return f"client={peer.client}" in self.peers
        if not self.peers:
            return _is_loopback(peer.address)
        named = (f"cn={peer.common_name}",) if peer.common_name else ()
        return any(_names(one, peer.address) or one in named for one in self.peers)


@dataclass(frozen=True, slots=True)
class Listener:
    """A port on which messages are taken.

    With `certificate` and `key` (PEM) the connection is encrypted, and with `certificate_authorities` only
    systems are let in that show a certificate which these vouch for. `plain` allows one that is not encrypted
    beyond this machine. `channels` are the names of those that are served, () for all. After `idle_seconds`
    without a byte a connection is closed; a message has `max_bytes` at most.
    """

    name: str
    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    certificate_authorities: Path | None = None
    plain: bool = False
    channels: tuple[str, ...] = ()
    idle_seconds: float = 86_400.0
    max_bytes: int = 32 * 1024 * 1024

    @property
    def is_open(self) -> bool:
        """Whether messages could be read on their way, and nobody said that this is meant to be so."""
        is_local = self.host == "localhost" or _is_loopback(self.host)
        return self.certificate is None and not self.plain and not is_local


class UnknownSender(UnsupportedMessage):
    """MSH-3 and MSH-4 name no channel, or one that this peer may not use (table 0357: 103, answered AR)."""

    code = TABLE_VALUE_NOT_FOUND


@dataclass(frozen=True, slots=True)
class Channels:
    """All channels and listeners of a file, the destinations of what is sent, and the watched folders."""

    channels: tuple[Channel, ...] = ()
    listeners: tuple[Listener, ...] = ()
    destinations: tuple[Destination, ...] = ()
    drops: tuple[Drop, ...] = ()

    def named(self, name: str) -> Channel | None:
        """Return the channel called `name`, None if there is none (any more)."""
        return next((one for one in self.channels if one.name == name), None)

    def on(self, listener: Listener) -> "Channels":
        """Return those that are served on a listener."""
        return self.only(listener.channels)

    def only(self, names: Sequence[str]) -> "Channels":
        """Return those with one of `names`; all of them if there are no names."""
        if not names:
            return self
        return replace(self, channels=tuple(one for one in self.channels if one.name in names))

    def of(self, header: Header, peer: Peer | None) -> Channel:
        """Return the channel of a message, by its MSH and by who sent it; None for what was let in before.

        Raises UnknownSender if there is none (AR, 103 at MSH-3: table 0361 is the list of channels), and
        UnsupportedMessage if MSH-11 names another environment than the channel's (AR, 202).
        HL7 v2.5.1 §2.15.9.3, §2.15.9.11
        """
        application = _first_component(header.sending_application)
        facility = _first_component(header.sending_facility)
        named = [
            one
            for one in self.channels
            if one.sending_application == application and one.sending_facility == facility
        ]
        if not named:
            raise UnknownSender("the sender is none that is known here", location=Location("MSH", 1, 3))
        allowed = [one for one in named if peer is None or one.admits(peer)]
        if not allowed:
            message = "this sender is not one that may send from there"
            raise UnknownSender(message, location=Location("MSH", 1, 3))
        wanted = header.processing_id.partition("^")[0]
        for one in allowed:
            if one.processing_id == wanted:
                return one
        raise UnsupportedMessage(
            "this is for another environment: production, training or debugging",
            code=UNSUPPORTED_PROCESSING_ID,
            location=Location("MSH", 1, 11),
        )

    def admits(self, peer: Peer) -> bool:
        """Tell whether there is any channel that `peer` may send to."""
        return any(one.admits(peer) for one in self.channels)


def _first_component(repetition: Repetition) -> str:
    return repetition[1].text


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _names(text: str, address: str) -> bool:
    """Tell whether `text` is an address or network that `address` is in."""
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
