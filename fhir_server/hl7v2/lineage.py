"""Where an element comes from: which message gave it its present value, and by which rule of the mapping.

The version that gave an element its value is found in the history; its Provenance names the message, which is
mapped once more with a trace. docs/hl7v2/mapping.md
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.channels import Channels
from adapters.to_fhir.drafts import Draft, Identity, Mapped, Step
from adapters.to_fhir.mapping import map_message
from fhir_server.context import Context
from fhir_server.hl7v2.joining import member_key
from fhir_server.hl7v2.origin import INBOX
from fhir_server.search.parameters import parse_search
from fhir_server.store import Version
from hl7.errors import HL7Error, Location
from hl7.parser import parse
from resources.operation_outcome import ResourceNotFound

Resource = Mapping[str, Any]
Path = tuple[str, ...]

_MOST_VERSIONS = 200
_MOST_PROVENANCES = 1_000
_OF_THE_VERSION = ("resourceType", "id", "meta", "text")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an element comes from.

    `path` is that of the element in JSON (`name[0].family`), `version` the one that gave it its value. With a
    `message` (its id in the inbox) it is from that; `control_id` is its MSH-10, `location` the place in it and
    `row` the rule, if these are known.
    """

    path: str
    version: int
    message: str = ""
    control_id: str = ""
    location: Location | None = None
    row: str = ""


class _Traced:
    """A message, mapped with a trace."""

    def __init__(self, control_id: str, mapped: Mapped) -> None:
        self.control_id = control_id
        self.mapped = mapped


async def lineage(version: Version, path: str | None, context: Context, channels: Channels) -> list[Origin]:
    """Return where each element of a version comes from, or those at and below `path`.

    `context` is one that may read history, Provenances and messages; whether the caller may is asked before.
    """
    versions = await _versions(version, context)
    messages = await _messages_of(version, context)
    traced: dict[str, _Traced | None] = {}
    found: list[Origin] = []
    wanted = None if path is None else _parsed(path, version.resource_type)
    for leaf, value in _leaves(version.resource or {}):
        if wanted is not None and not _is_below(leaf, wanted):
            continue
        giver = _giver(leaf, value, versions)
        inbox_id = messages.get(giver.number, "")
        if not inbox_id:
            found.append(Origin(_shown(leaf), giver.number))
            continue
        if inbox_id not in traced:
            traced[inbox_id] = await _trace(inbox_id, context, channels)
        found.append(_origin(leaf, value, giver, inbox_id, traced[inbox_id]))
    return found


async def _versions(version: Version, context: Context) -> list[Version]:
    """Return the versions of a resource up to one, the newest first."""
    found = [version]
    for number in range(version.number - 1, max(0, version.number - _MOST_VERSIONS), -1):
        one = await context.store.read_version(version.resource_type, version.id, number)
        if one is None:
            break
        found.append(one)
    return found


async def _messages_of(version: Version, context: Context) -> dict[int, str]:
    """Return by which message each version was made, by its number."""
    reference = f"{version.resource_type}/{version.id}"
    query = parse_search(
        "Provenance", [("target", reference)], lenient=False, base_url=context.base_url, now=context.now()
    )
    documents = await context.store.find("Provenance", query.filter, (), {"resource": 1}, _MOST_PROVENANCES)
    found: dict[int, str] = {}
    for one in documents:
        inbox_id = _inbox_id(one["resource"])
        if inbox_id:
            for target in one["resource"]["target"]:
                name, _, number = target.get("reference", "").partition("/_history/")
                if name == reference and number.isdigit():
                    found[int(number)] = inbox_id
    return found


def _inbox_id(provenance: Resource) -> str:
    for entity in provenance.get("entity", ()):
        number = entity.get("what", {}).get("identifier", {})
        if number.get("system") == INBOX:
            return str(number.get("value", ""))
    return ""


async def _trace(inbox_id: str, context: Context, channels: Channels) -> _Traced | None:
    """Map a message of the inbox with a trace; None if it is not kept any more, or its channel is gone."""
    try:
        entry = await context.store.hl7_inbox.entry(inbox_id)
        channel = None if entry is None else channels.named(entry.channel)
        if channel is None:
            return None
        message = parse(await context.store.hl7_inbox.body(inbox_id), channel.charset)
        return _Traced(message.header.control_id, map_message(message, channel, trace=True))
    except (HL7Error, ResourceNotFound, LookupError):
        return None


def _origin(leaf: Path, value: Any, giver: Version, inbox_id: str, traced: _Traced | None) -> Origin:
    shown = _shown(leaf)
    if traced is None:
        return Origin(shown, giver.number, inbox_id)
    step = None
    for draft in _drafts_of(giver, traced.mapped):
        steps = [one for one in traced.mapped.steps if one.draft == draft.key]
        step = _best(leaf, value, draft.resource, steps)
        if step is not None:
            break
    if step is None:
        return Origin(shown, giver.number, inbox_id, traced.control_id)
    parts = (step.field, step.repetition, step.component, step.subcomponent)
    place = Location(step.segment, step.sequence, *(one or None for one in parts))
    return Origin(shown, giver.number, inbox_id, traced.control_id, place, step.row)


def _drafts_of(version: Version, mapped: Mapped) -> list[Draft]:
    """Return the drafts of which a resource may have been made, the surest first."""
    resource = version.resource or {}
    listed = resource.get("identifier") or []
    numbers = listed if isinstance(listed, list) else [listed]
    known = {
        Identity(one["system"], one["value"])
        for one in (*numbers, resource.get("masterIdentifier") or {})
        if isinstance(one, dict) and "system" in one and "value" in one
    }
    of_type = [one for one in mapped.drafts if one.type == version.resource_type]
    sure = [one for one in of_type if one.id == version.id or set(one.identities) & known]
    return sure or (of_type if len(of_type) == 1 else [])


def _best(leaf: Path, value: Any, said: Resource, steps: Sequence[Step]) -> Step | None:
    """Return the step that made a leaf: the deepest one above it whose element has the value."""
    generic = _generic(leaf)
    found: list[tuple[int, Step]] = []
    for step in steps:
        path = tuple(step.path.split(".")) if step.path else ()
        above = _generic(path)
        if above != generic[: len(above)]:
            continue
        element = _at(said, path)
        values = [one for rest, one in _leaves_of(element) if (above + _generic(rest)) == generic]
        is_same = value in values or (leaf[-1] == "reference" and bool(values))
        if is_same:
            found.append((len(above), step))
    return max(found, key=lambda one: one[0])[1] if found else None


def _giver(leaf: Path, value: Any, versions: Sequence[Version]) -> Version:
    """Return the version that gave a leaf its value: the first of those in a row that have it."""
    found = versions[0]
    key = _key(leaf, versions[0].resource or {})
    for version in versions[1:]:
        if not _has(version.resource or {}, leaf, key, value):
            break
        found = version
    return found


def _key(leaf: Path, resource: Resource) -> Any:
    """Return what tells the member of a list from others in which a leaf is; None if it is in none."""
    if len(leaf) > 1 and leaf[1].isdigit():
        return member_key(leaf[0], resource[leaf[0]][int(leaf[1])])
    return None


def _has(resource: Resource, leaf: Path, key: Any, value: Any) -> bool:
    if len(leaf) > 1 and leaf[1].isdigit():
        members = resource.get(leaf[0], [])
        if not isinstance(members, list):
            return False
        rest = _generic(leaf[2:])
        return any(
            _generic(path) == rest and one == value
            for member in members
            if member_key(leaf[0], member) == key
            for path, one in _leaves_of(member)
        )
    return any(_generic(path) == _generic(leaf) and one == value for path, one in _leaves_of(resource))


def _leaves(resource: Resource) -> Iterator[tuple[Path, Any]]:
    for name, element in resource.items():
        if name not in _OF_THE_VERSION:
            yield from (((name, *path), value) for path, value in _leaves_of(element))


def _leaves_of(element: Any) -> Iterator[tuple[Path, Any]]:
    """Yield the paths and values of the primitive elements of an element."""
    if isinstance(element, Mapping):
        for name, one in element.items():
            yield from (((name, *path), value) for path, value in _leaves_of(one))
    elif isinstance(element, list):
        for place, one in enumerate(element):
            yield from (((str(place), *path), value) for path, value in _leaves_of(one))
    elif element is not None:
        yield (), element


def _at(resource: Any, path: Path) -> Any:
    at = resource
    for name in path:
        if isinstance(at, Mapping):
            at = at.get(name)
        elif isinstance(at, list) and name.isdigit() and int(name) < len(at):
            at = at[int(name)]
        else:
            return None
    return at


def _generic(path: Path) -> Path:
    return tuple(name for name in path if not name.isdigit())


def _shown(path: Path) -> str:
    found = ""
    for name in path:
        found += f"[{name}]" if name.isdigit() else f".{name}" if found else name
    return found


def _parsed(path: str, resource_type: str) -> Path:
    """Return a path such as `Patient.name[0].family` or `name.family` as its parts."""
    told = path.removeprefix(f"{resource_type}.")
    return tuple(one for one in told.replace("[", ".").replace("]", "").split(".") if one)


def _is_below(leaf: Path, wanted: Path) -> bool:
    if any(name.isdigit() for name in wanted):
        return leaf[: len(wanted)] == wanted
    return _generic(leaf)[: len(wanted)] == wanted
