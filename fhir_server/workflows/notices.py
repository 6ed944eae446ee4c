"""Notices to people: what a pattern says that somebody is to be told, once, now or at a time.

Here they are only entries of the agenda, made in the transaction that they follow from. Who is told by which
medium, in which hours and in what words is for W14 to say, when the entry is due.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_server.store.ruling import Entry
from fhir_server.workflows.consequences import Later, Strike

NOTIFY = "W14.notify"
"""The action that sends a notice."""


@dataclass(frozen=True, slots=True)
class NoticeKind:
    """A kind of notice: its id (`W3.booked`), and what a message of it says.

    `subject` and `text` are for e-mail; `{name}` in them stands for an entry of the notice's data, as text.
    `short` is for a text message. None of them says more about a patient than the recipient needs in order to
    act: no diagnosis, no result, no name of a medicine. One that is `urgent` does not wait for the end of
    quiet hours, and nobody can opt out of it. `category` is what a recipient may have opted out of.
    """

    id: str
    subject: str
    text: str
    short: str
    category: str = "notification"
    urgent: bool = False


def notice(
    kind: NoticeKind,
    about: str,
    recipient: str,
    at: datetime,
    *,
    occasion: str = "",
    data: Mapping[str, Any] | None = None,
) -> Later:
    """Return the entry by which `recipient` (a reference) is told at `at` of something `about` a resource.

    The same kind, resource, recipient and `occasion` (such as the start of an appointment) is told once.
    """
    key = "/".join(("notice", about, kind.id, recipient, *([occasion] if occasion else [])))
    told = {"kind": kind.id, "recipient": recipient, "data": dict(data or {})}
    return Later(Entry(key, at, NOTIFY, about, told))


def no_notice(about: str, kind: NoticeKind | None = None) -> Strike:
    """Return what takes back the notices about a resource (of one `kind`) that wait to be sent."""
    return Strike(f"notice/{about}" if kind is None else f"notice/{about}/{kind.id}")
