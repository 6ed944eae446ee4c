"""A34 and A40: one record goes into another one, by the same means as Patient/$merge. HL7 v2.5.1 §3.3.40

All pairs of a message, or none. What was done already is not done again; the way back is refused.
"""

from dataclasses import dataclass, field
from typing import Any

from adapters.channels import Channel
from adapters.to_fhir.drafts import Identity, Mapped, Merge
from fhir_server.context import Context
from fhir_server.hl7v2.looking import Found, Stored
from fhir_server.workflows.made import key_id
from fhir_server.workflows.merging.accounts import accounts_of
from fhir_server.workflows.merging.joined import joined
from fhir_server.workflows.merging.journal import MERGE, new_journal
from hl7.errors import UNKNOWN_KEY, HL7Error, Location

Resource = dict[str, Any]


@dataclass(slots=True)
class Merging:
    """The merges of a message: patients as they are afterwards, and the journals."""

    patients: dict[str, Resource] = field(default_factory=dict)
    journals: list[Resource] = field(default_factory=list)


async def merge_all(
    mapped: Mapped, found: Found, patients: dict[str, Resource], channel: Channel, context: Context
) -> Merging:
    """Return what becomes of the patients of all pairs; `patients` are those of the message, by draft key.

    Raises HL7Error (204) for a record that nobody knows, if the channel wants so, and for a way back.
    """
    merging = Merging()
    current = {one["id"]: one for one in patients.values()}
    for effect in mapped.effects:
        if isinstance(effect, Merge):
            survivor = current[patients[effect.survivor]["id"]]
            await _merge(effect, survivor, mapped, found, current, merging, channel, context)
    merging.patients = current
    return merging


async def _merge(
    effect: Merge,
    survivor: Resource,
    mapped: Mapped,
    found: Found,
    current: dict[str, Resource],
    merging: Merging,
    channel: Channel,
    context: Context,
) -> None:
    draft = mapped.draft(effect.loser)
    stored = found.stored.get(effect.loser)
    if stored is not None and stored.resource["id"] == survivor["id"]:
        _check_direction(survivor, mapped.draft(effect.survivor).identities, draft.identities, effect)
        return
    if stored is None:
        if channel.unknown_loser == "refuse":
            raise _refused("nobody has this number", effect)
        loser: Resource = {**draft.resource, "id": draft.id}
    else:
        loser = current.get(stored.resource["id"], stored.resource)
    was, becomes = joined(loser, survivor, None)
    current[survivor["id"]] = becomes
    current[loser["id"]] = was
    accounts = [] if stored is None else await accounts_of(loser["id"], survivor["id"], context)
    if stored is not None:
        number = str(stored.number)
        merging.journals.append(
            new_journal(
                key_id(MERGE, loser["id"], survivor["id"], number), MERGE,
                loser["id"], survivor["id"], context.now(), accounts, None,
            )
        )  # fmt: skip


def _check_direction(
    patient: Resource, survives: tuple[Identity, ...], goes: tuple[Identity, ...], effect: Merge
) -> None:
    """Refuse a merge into a number that went into the other one before: that is the way back."""
    old = {
        Identity(one["system"], one["value"])
        for one in patient.get("identifier", ())
        if one.get("use") == "old" and "system" in one and "value" in one
    }
    if set(survives) & old and not set(goes) <= old:
        raise _refused(
            "the record of PID-3 went into that of MRG-1 before, and does not come back so", effect
        )


def _refused(text: str, effect: Merge) -> HL7Error:
    return HL7Error(text, code=UNKNOWN_KEY, location=Location("MRG", effect.pair, 1))


__all__ = ["Merging", "Stored", "merge_all"]
