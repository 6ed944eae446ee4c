"""What all queries have in common: whom a search finds, and in which form a channel is told of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.channels import Channel
from adapters.destinations import VERSIONS, Destination
from adapters.from_fhir.people import pid
from adapters.from_fhir.telling import Resource, Telling, Told
from fhir_server.context import Context
from fhir_server.search.parameters import parse_search
from fhir_server.workflows.registration.identity import is_merged
from hl7.building import FieldValue
from hl7.message import Message
from hl7.query_answers import Response

# Records that went into others are read as well, and left out.
_MOST_MERGED = 100
# What stands in answers to messages that do not say it.
_OURS, _VERSION = "FHIR", "2.5.1"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a query, and the references of the patients that it tells of."""

    response: Response
    patients: tuple[str, ...] = ()


async def patients(
    pairs: Sequence[tuple[str, str]], most: int, context: Context
) -> list[dict[str, Any]] | None:
    """Return the patients whom a search finds, without merged records; None if there are more than `most`."""
    query = parse_search("Patient", pairs, lenient=False, base_url=context.base_url, now=context.now())
    reach = most + _MOST_MERGED
    documents = await context.store.find("Patient", query.filter, (), {"resource": 1}, reach)
    found = [one["resource"] for one in documents if not is_merged(one["resource"])]
    return None if len(found) > most or len(documents) == reach else found


def telling(
    message: Message,
    channel: Channel,
    resource: Resource,
    context: Context,
    found: Mapping[str, Resource] | None = None,
) -> Telling:
    """Return the circumstances in which a channel is told of a resource: who gives numbers has its names."""
    header = message.header
    version = header.version.partition("^")[0]
    to = Destination(
        channel.name,
        version=version if version in VERSIONS else _VERSION,
        sending_application=header.receiving_application[1].text or _OURS,
        authorities={name: system for name, system in channel.authorities.items() if name},
        time_zone=channel.time_zone,
    )
    return Telling(Told("RSP", None, resource), to, found or {}, context.now(), "")


def numbered(
    found: Sequence[Resource], message: Message, channel: Channel, context: Context
) -> tuple[list[FieldValue], ...]:
    """Return a PID for each of several patients."""
    rows = []
    for place, one in enumerate(found, 1):
        name, _, *rest = pid(telling(message, channel, one, context), one)
        rows.append([name, place, *rest])
    return tuple(rows)


__all__ = ["Answer", "Resource", "numbered", "patients", "telling"]
