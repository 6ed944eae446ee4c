"""What follows from a change: further resources, entries of the agenda, and what is struck out of it.

They are stored in the transaction of the change, or not at all, and the rules hold for them as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.store.ruling import Entry


@dataclass(frozen=True, slots=True)
class Create:
    """A new resource. With an `id` it is created once, and is left alone after that.

    An id that is made from what the resource is for (`made.key_id`) sees to it that nothing comes twice.
    """

    resource: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Put:
    """A resource as it is from now on; its `id` says which one.

    One that `is_whole` says all that is known at the end of the transaction, so that of several the last
    counts; others that follow from one request and do not say the same would undo each other: refused.
    """

    resource: Mapping[str, Any]
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    """An entry of the agenda, unless there was one of its key before that was not struck out."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Strike:
    """Strikes out of the agenda what waits under keys that are `beginning`, or begin with it and a slash."""

    beginning: str


Consequence = Create | Put | Later | Strike
