"""What operators do with messages, by operations of the FHIR interface and by commands alike."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from adapters.channels import Channel, Channels
from adapters.lanes import lanes_of
from fhir_server.hl7v2.applying import Difference
from fhir_server.store import Store
from hl7.errors import HL7Error
from hl7.message import Message
from hl7.parser import parse
from resources.operation_outcome import Conflict, InvalidContent, ResourceNotFound, error

MOST_LISTED = 1_000
MOST_REPLAYED = 1_000
_LONGEST_REASON = 500


Preview = Callable[[Message, Channel], Awaitable[Sequence[Difference]]]
"""Tells what a message would change now; nothing is stored."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as text: `edited` is what an operator made of it, None if nobody did."""

    text: str
    edited: str | None


async def shown(store: Store, entry_id: str, channels: Channels | None = None) -> Shown:
    """Return the content of a message; raise ResourceNotFound if there is none of this id."""
    found = await store.hl7_quarantine.one(entry_id)
    if found is None:
        raise _unknown()
    channel = None if channels is None else channels.named(found.channel)
    charset = None if channel is None else channel.charset
    text = as_text(await store.hl7_quarantine.content(entry_id, edited=False), charset)
    edited = None
    if found.is_edited:
        edited = as_text(await store.hl7_quarantine.content(entry_id, edited=True), charset)
    return Shown(text, edited)


def as_text(data: bytes, charset: str | None) -> str:
    """Return a message for a person to read, by its own character set, or by Latin-1 if it has none."""
    try:
        return data.decode(parse(data, charset).charset)
    except (HL7Error, UnicodeDecodeError, LookupError):
        return data.decode("latin-1")


async def resubmit(
    store: Store, entry_id: str, who: str, edited: str | None = None, channels: Channels | None = None
) -> None:
    """Have a message in quarantine tried again, as it came or `edited`.

    Raises ResourceNotFound, Conflict if it is not in quarantine, and InvalidContent for an edited message
    that cannot be read.
    """
    found = await store.hl7_quarantine.one(entry_id)
    if found is None:
        raise _unknown()
    data: bytes | None = None
    lanes: tuple[str, ...] | None = None
    if edited is not None:
        channel = None if channels is None else channels.named(found.channel)
        original = await store.hl7_quarantine.content(entry_id, edited=False)
        data = _encoded(edited, original, None if channel is None else channel.charset)
        try:
            lanes = lanes_of(parse(data, None if channel is None else channel.charset), found.channel)
        except HL7Error as failure:
            raise InvalidContent(error("structure", f"The edited message: {failure.text}")) from None
    try:
        is_done = await store.hl7_quarantine.resubmit(entry_id, who, data, lanes)
    except ValueError as failure:
        raise InvalidContent(error("too-long", str(failure))) from None
    if not is_done:
        raise _not_in_quarantine()


def _encoded(edited: str, original: bytes, charset: str | None) -> bytes:
    """Return an edited message as bytes: segments end with CR, in the character set that the original has."""
    text = edited.replace("\r\n", "\r").replace("\n", "\r")
    if not text.endswith("\r"):
        text += "\r"
    try:
        codec = parse(original, charset).charset
    except HL7Error:
        codec = "utf-8"
    try:
        return text.encode(codec)
    except UnicodeEncodeError:
        message = "The edited message has characters that its character set (MSH-18) does not have"
        raise InvalidContent(error("value", message)) from None


async def discard(store: Store, entry_id: str, who: str, reason: str) -> None:
    """Put a message in quarantine away, for a `reason`; raises as `resubmit` does."""
    reason = reason.strip()
    if not reason or len(reason) > _LONGEST_REASON:
        message = f"reason says in up to {_LONGEST_REASON} characters why nobody needs the message"
        raise InvalidContent(error("required", message))
    if await store.hl7_quarantine.one(entry_id) is None:
        raise _unknown()
    if not await store.hl7_quarantine.discard(entry_id, who, reason):
        raise _not_in_quarantine()


async def differences(
    store: Store, entry_id: str, channels: Channels, preview: Preview
) -> Sequence[Difference]:
    """Return what a message would change if it were applied now.

    Raises ResourceNotFound, and InvalidContent with the reason for which it would be refused.
    """
    found = await store.hl7_quarantine.one(entry_id)
    if found is None:
        raise _unknown()
    named = channels.named(found.channel)
    data = await store.hl7_quarantine.content(entry_id, edited=True)
    try:
        message = parse(data, None if named is None else named.charset)
        return await preview(message, named or channels.of(message.header, None))
    except HL7Error as failure:
        place = f" at {failure.location}" if failure.location else ""
        raise InvalidContent(error("processing", f"{failure.code}{place}: {failure.text}")) from None


State = Literal["received", "applied", "unchanged", "ignored", "refused", "discarded"]
STATES: tuple[State, ...] = ("received", "applied", "unchanged", "ignored", "refused", "discarded")


def reason_text(reason: Any) -> str:
    """Return what was wrong with a message on one line, such as `101 PID^1^3: required field missing`."""
    place = f" {reason.location}" if reason.location else ""
    return f"{reason.code}{place}: {reason.text}" + (f" ({reason.rule})" if reason.rule else "")


def _unknown() -> ResourceNotFound:
    return ResourceNotFound(error("not-found", "There is no message of this id"))


def _not_in_quarantine() -> Conflict:
    return Conflict(error("conflict", "This message is not in quarantine (any more)"))
