"""Mapping messages in tests: what one says as valid resources, by their types."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from adapters.channels import Channel
from adapters.to_fhir.drafts import Mapped, linked
from adapters.to_fhir.mapping import map_message
from adapters.to_fhir.rules import Convert
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.value import Reader, Value
from hl7.parser import parse
from resources.operation_outcome import Issue
from resources.validation import validate

Resource = dict[str, Any]

CHANNEL = Channel(
    "lab", "LAB", "GENHOSP", ZoneInfo("Europe/Berlin"),
    authorities={"GENHOSP": "urn:oid:1.2.3", "2.999.7": "urn:oid:1.2.7"}, unknown_authority="urn",
)  # fmt: skip


def converted(convert: Convert, raw: str, channel: Channel = CHANNEL) -> Any:
    """Return what a converter makes of a field."""
    message = parse(b"MSH|^~\\&|LAB|GENHOSP|||20240105120000||ORU^R01|1|P|2.5.1\r")
    scope = Scope.of(message, channel)
    return convert(Value(raw, Reader.of(message)), scope)


def mapped(*segments: str, **channel: Any) -> Mapped:
    """Return what a message says."""
    return map_message(parse("\r".join(segments).encode() + b"\r"), replace(CHANNEL, **channel))


def resources(found: Mapped) -> Mapping[str, list[Resource]]:
    """Return the resources of a message as they would be stored, by their types."""
    references = {one.key: f"{one.type}/{one.id}" for one in found.drafts}
    made: dict[str, list[Resource]] = {}
    for one in found.drafts:
        made.setdefault(one.type, []).append(
            {**one.otherwise, **linked(one.resource, references), "id": one.id}
        )
    return made


def problems(found: Mapped) -> list[tuple[str, Issue]]:
    """Return what is not valid in the resources of a message; of what is only changed, nothing."""
    partial = {one.id for one in found.drafts if one.presence == "known"}
    return [
        (resource_type, issue)
        for resource_type, listed in resources(found).items()
        for one in listed
        if one["id"] not in partial
        for issue in validate(one)
        if issue.severity in ("error", "fatal")
    ]
