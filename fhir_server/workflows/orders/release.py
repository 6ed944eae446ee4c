"""Release: what a patient does not see of results, until a doctor or the time lets them.

A result that is written is labelled NOPAT by the server itself: not for the patient without the attending
provider's authorization. The roles say that patients see nothing with this label. What releases it is the tag
`released`, which stays from then on. https://terminology.hl7.org/CodeSystem-v3-ActCode.html#v3-ActCode-NOPAT
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.interactions.read import read
from fhir_server.operations.inputs import inputs
from fhir_server.operations.operation import Operation
from fhir_server.store.ruling import Entry
from fhir_server.workflows.consequences import Later
from fhir_server.workflows.made import Resource, changed
from fhir_server.workflows.orders.rules import RELEASE_FINAL, RELEASE_ROLE
from fhir_server.workflows.orders.vocabulary import is_final, is_result
from fhir_server.workflows.pattern import Change, Violation
from fhir_server.workflows.services import Services
from fhir_server.workflows.situation import Situation
from fhir_server.write_path import commit, replacement, revision

HELD = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
    "code": "NOPAT",
    "display": "no disclosure to patient, family or caregivers without attending provider's authorization",
}
RELEASED = {"system": "urn:fhir-hospital-server:release", "code": "released"}
RESERVED = frozenset((one["system"], one["code"]) for one in (HELD, RELEASED))
"""The labels that rules give and take, and `$meta-add` and `$meta-delete` do not."""

RELEASE_ACTION = "W7.release"

_Any = Mapping[str, Any]


def _has(resource: _Any, kind: str, label: _Any) -> bool:
    labels = resource.get("meta", {}).get(kind, ())
    return any(one.get("system") == label["system"] and one.get("code") == label["code"] for one in labels)


def is_held(resource: _Any) -> bool:
    """Tell whether a resource is kept from the patient."""
    return _has(resource, "security", HELD)


def is_released(resource: _Any) -> bool:
    """Tell whether a resource was released to the patient."""
    return _has(resource, "tag", RELEASED)


def held(resource: _Any) -> Resource:
    """Return a resource that is kept from the patient."""
    meta = resource.get("meta", {})
    return changed(resource, meta={**meta, "security": [*meta.get("security", ()), HELD]})


def tagged(resource: _Any) -> Resource:
    """Return a resource with the tag by which it is released."""
    meta = resource.get("meta", {})
    return changed(
        resource, meta=meta | ({} if is_released(resource) else {"tag": [*meta.get("tag", ()), RELEASED]})
    )


def opened(resource: _Any) -> Resource:
    """Return a resource without the label that keeps it from the patient."""
    meta = dict(resource.get("meta", {}))
    labels = [one for one in meta.pop("security", ()) if not _has({"meta": {"x": [one]}}, "x", HELD)]
    return changed(resource, meta=meta | ({"security": labels} if labels else {}))


def released(resource: _Any) -> Resource:
    """Return a resource that is released to the patient."""
    return opened(tagged(resource))


def labelled(resource: _Any, before: _Any | None, _situation: Situation) -> _Any:
    """Return a result with the label that keeps it from the patient, or the tag by which it is released.

    What was final before there was this rule, or came in as a record of the past, stays as it was.
    """
    if not is_result(resource) and (before is None or not is_result(before)):
        return resource
    if is_released(resource) or (before is not None and is_released(before)):
        is_marked = is_released(resource) and not is_held(resource)
        return resource if is_marked else released(resource)
    if before is not None and is_result(before) and is_final(before) and not is_held(before):
        return resource
    return resource if is_held(resource) else held(resource)


def newly_released(change: Change) -> bool:
    """Tell whether a change releases a resource."""
    is_now = change.after is not None and is_released(change.after)
    return is_now and (change.before is None or not is_released(change.before))


def violations(change: Change, situation: Situation, *, is_reported: bool = False) -> Iterable[Violation]:
    """Yield what is wrong with a release; a result of a report that is released goes with it."""
    if not newly_released(change):
        return
    if not is_final(change.after):
        yield RELEASE_FINAL.broken("It is not final", f"{change.resource_type}.status")
    if not is_reported and not situation.has_role("DR"):
        yield RELEASE_ROLE.broken("Only a doctor releases results", f"{change.resource_type}.meta.tag")


def later(change: Change, situation: Situation) -> Iterable[Later]:
    """Yield the entry by which what became final is released in time, if the hospital wants that."""
    hours, after = situation.settings.result_release_hours, change.after
    if hours is None or after is None or not is_held(after) or not is_final(after):
        return
    if not is_final(change.before):
        due = situation.now + timedelta(hours=hours)
        yield Later(Entry(release_key(change.reference), due, RELEASE_ACTION, change.reference))


def release_key(reference: str) -> str:
    """Return the key of the entry by which a resource is released."""
    return f"W7/release/{reference}"


async def release_due(entry: Entry, context: Context, _services: Services) -> None:
    """Release what nobody released before, if it is still there and final."""
    resource_type, _, resource_id = entry.subject.partition("/")
    version = await context.store.read(resource_type, resource_id)
    resource = None if version is None else version.resource
    if resource is not None and is_final(resource) and not is_released(resource):
        await commit(context, [revision(released(resource))])


async def release(request: Request, context: Context) -> Response:
    """Release a final report with its results to the patient, who then finds them and is told of them.

    Answers the report. One that was released before stays as it is.
    """
    inputs(request, (), lenient=context.preferences.lenient)
    resource_type, resource_id, _ = request.path
    plain = Request("GET", (resource_type, resource_id))
    found = await read(plain, context)
    report = found.resource or {}
    if is_released(report):
        return found
    # The label goes by the rules: to whom it is closed is not for a caller to change.
    write = replacement(resource_type, resource_id, tagged(report), if_match=found.version)
    await commit(context, [write])
    return await read(plain, context)


RELEASE = Operation(
    code="release",
    definition="metadata/OperationDefinition/release",
    handler=release,
    types=frozenset({"DiagnosticReport"}),
    on_instance=True,
    affects_state=True,
    returns="DiagnosticReport",
)
