"""What may be removed after which time: a table that a hospital replaces, and what it comes to today.

https://hl7.org/fhir/R4/http.html#delete, https://hl7.org/fhir/R4/resource.html#tags
"""

import tomllib
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

from fhir_server.search.parameters import parse_search
from fhir_server.smart.access.compartment import is_about_patients
from fhir_server.store import Store, Write, instant
from fhir_server.store.retention import OldVersion
from fhir_server.workflows.tables import read_table
from resources.definitions import resource_types
from resources.operation_outcome import FhirError, PreconditionFailed

What = Literal["current", "deleted", "previous"]

HOLD = ("urn:fhir-hospital-server:retention", "hold")
"""The tag of what must be kept: system and code."""

_KEYS = frozenset({"name", "what", "types", "where", "days", "clinical"})
_NEVER = frozenset({"AuditEvent", "Provenance", "Consent"})
_PLACE = "{before}"
_AT_ONCE = 500
_SHOWN = {"resource": 1, "version": 1}


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """A rule of the table."""

    name: str
    what: What
    types: tuple[str, ...]
    days: int
    where: str = ""


@dataclass(frozen=True, slots=True)
class Holds:
    """What must be kept: everything of some patients, and some resources, as references."""

    patients: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()

    def keep(self, resource_type: str, resource_id: str, resource: Mapping[str, Any] | None) -> bool:
        """Tell whether a version must be kept."""
        reference = f"{resource_type}/{resource_id}"
        if reference in self.resources or reference in self.patients:
            return True
        if resource is None:
            return False
        tags = resource.get("meta", {}).get("tag", ())
        if any((tag.get("system"), tag.get("code")) == HOLD for tag in tags):
            return True
        return any(_path(text) in self.patients for text in _references(resource))


@dataclass(frozen=True, slots=True)
class RetentionTable:
    """The rules, in their order, and what they must not touch."""

    rules: tuple[RetentionRule, ...]
    holds: Holds


@dataclass(frozen=True, slots=True)
class Due:
    """What a rule comes to for one type: how much may go, and how much of that must be kept."""

    rule: str
    resource_type: str
    number: int = 0
    held: int = 0


@cache
def load_retention(path: Path | None) -> RetentionTable:
    """Return the table in the file at `path`, for None that which comes with the server.

    Raises ValueError, which names the place, for what is not understood.
    """
    try:
        data = read_table(path, __package__, "retention.toml")
    except (tomllib.TOMLDecodeError, OSError) as failure:
        raise ValueError(f"the file of retention rules cannot be read: {failure}") from None
    hold = data.get("hold", {})
    patients = frozenset(f"Patient/{one}" for one in hold.get("patients", ()))
    rules = tuple(_rule(entry, number) for number, entry in enumerate(data.get("rule", ()), 1))
    return RetentionTable(rules, Holds(patients, frozenset(hold.get("resources", ()))))


def _rule(entry: Mapping[str, Any], number: int) -> RetentionRule:
    place = f"rule {number}"
    if wrong := set(entry) - _KEYS:
        raise ValueError(f"{place} has what no rule has: {', '.join(sorted(wrong))}")
    what, types, days = entry.get("what"), tuple(entry.get("types", ())), entry.get("days")
    if what not in ("current", "deleted", "previous"):
        raise ValueError(f"{place}: what is current, deleted or previous")
    if not isinstance(days, int) or days < 1:
        raise ValueError(f"{place}: days is a number from 1")
    for name in types:
        if name not in resource_types() or name in _NEVER:
            raise ValueError(f"{place}: {name} is no resource type, or one that is always kept")
        if is_about_patients(name) and entry.get("clinical") is not True:
            raise ValueError(
                f"{place}: {name} has records of patients; it says clinical = true if it means them"
            )
        _check_where(name, entry.get("where", ""), what, place)
    return RetentionRule(str(entry.get("name", place)), what, types, days, entry.get("where", ""))


def _check_where(resource_type: str, where: str, what: What, place: str) -> None:
    if where and what != "current":
        raise ValueError(f"{place}: only what is current can be searched")
    try:
        parse_search(resource_type, _pairs(where, "2000-01-01"), lenient=False, base_url="")
    except FhirError as failure:
        raise ValueError(f"{place}: {failure.issues[0].diagnostics}") from None


def _pairs(where: str, before: str) -> list[tuple[str, str]]:
    pairs = (pair.partition("=") for pair in where.split("&") if pair)
    return [(name, value.replace(_PLACE, before)) for name, _, value in pairs]


async def carry_out(
    store: Store, table: RetentionTable, now: datetime, base_url: str, remover: Store | None = None
) -> list[Due]:
    """Return what each rule comes to; remove it if there is a `remover`.

    That is the same store for what the operator changes: it gives up claims, and puts changes on record.
    """
    found = []
    for rule in table.rules:
        before = now - timedelta(days=rule.days)
        for resource_type in rule.types:
            if rule.what == "current":
                found.append(
                    await _current(store, rule, resource_type, table.holds, before, base_url, remover)
                )
            else:
                look = (
                    store.retention.deleted_resources
                    if rule.what == "deleted"
                    else store.retention.previous_versions
                )
                due = Due(rule.name, resource_type)
                versions = look(resource_type, before)
                found.append(await _past(store, versions, due, table.holds, apply=remover is not None))
    return found


async def _past(
    store: Store, versions: AsyncIterator[OldVersion], due: Due, holds: Holds, *, apply: bool
) -> Due:
    """Go through old versions; all of a resource are kept if one of them must be."""
    waiting: list[OldVersion] = []
    group: list[OldVersion] = []

    async def settle(*, is_end: bool) -> None:
        nonlocal due
        if any(holds.keep(one.resource_type, one.id, one.resource) for one in group):
            due = replace(due, held=due.held + len(group))
        else:
            due = replace(due, number=due.number + len(group))
            waiting.extend(group)
        group.clear()
        if apply and waiting and (is_end or len(waiting) >= _AT_ONCE):
            await store.retention.remove(waiting)
        if is_end or len(waiting) >= _AT_ONCE:
            waiting.clear()

    async for version in versions:
        if group and group[0].id != version.id:
            await settle(is_end=False)
        group.append(version)
    await settle(is_end=True)
    return due


async def _current(
    store: Store,
    rule: RetentionRule,
    resource_type: str,
    holds: Holds,
    before: datetime,
    base_url: str,
    remover: Store | None,
) -> Due:
    """Go through what is there, and delete it as a client does: its versions stay in the history."""
    pairs = _pairs(rule.where, instant(before))
    wanted = parse_search(resource_type, pairs, lenient=False, base_url=base_url).filter
    due = Due(rule.name, resource_type)
    last = ""
    while True:
        conditions = {"$and": [wanted or {}, {"updated": {"$lt": before}}, {"_id": {"$gt": last}}]}
        page = await store.find(resource_type, conditions, [("_id", 1)], _SHOWN, _AT_ONCE)
        if not page:
            return due
        last = page[-1]["_id"]
        kept = [one for one in page if holds.keep(resource_type, one["_id"], one["resource"])]
        gone = [one for one in page if one not in kept]
        writes = [Write("DELETE", resource_type, one["_id"], if_match=one["version"]) for one in gone]
        number = len(gone) if remover is None else await _deleted(writes, remover)
        due = replace(due, number=due.number + number, held=due.held + len(kept))


async def _deleted(writes: list[Write], remover: Store) -> int:
    """Delete together what is as it was looked at; return how much that is. The rest has become young."""
    try:
        await remover.commit(writes)
        return len(writes)
    except PreconditionFailed:
        number = 0
    for write in writes:
        with suppress(PreconditionFailed):
            await remover.commit([write])
            number += 1
    return number


def _references(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "reference" and isinstance(inner, str):
                yield inner
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _path(reference: str) -> str:
    """Return the last two parts of a reference, wherever it leads: rather too much is kept."""
    return "/".join(reference.partition("/_history/")[0].split("/")[-2:])
