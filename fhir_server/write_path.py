"""From a resource that came in to a write that may be stored: the one way that every change takes.

https://hl7.org/fhir/R4/http.html#create, https://hl7.org/fhir/R4/http.html#update
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fhir_server.context import Context
from fhir_server.integrity import addresses, targets
from fhir_server.settings import Settings
from fhir_server.store import Absence, Reads, Write, Written
from fhir_server.store.noting import Note
from resources.bundle import refusal
from resources.custom_parameters import custom_parameters
from resources.operation_outcome import InvalidContent, Issue, error
from resources.references import is_id
from resources.validation import validate


def new_resource(resource_type: str, resource_id: str, body: Any, *, at: str | None = None) -> Write:
    """Return the write that creates `body` under a new id; an id that the client sent is ignored.

    `at` is the FHIRPath of the resource if it is not the root of what was sent. Raises InvalidContent or
    UnprocessableContent with all issues of the resource.
    """
    resource = _of_type(resource_type, body, at)
    return _write("POST", resource_type, resource_id, {**resource, "id": resource_id}, at=at)


def replacement(
    resource_type: str,
    resource_id: str,
    body: Any,
    *,
    at: str | None = None,
    if_match: int | None = None,
    must_be_new: bool = False,
) -> Write:
    """Return the write that makes `body` the current version of `resource_id`, which may not exist yet.

    Raises InvalidContent if the resource's own id is missing or another one, and as `new_resource` does.
    """
    resource = _of_type(resource_type, body, at)
    if resource.get("id") != resource_id:
        raise InvalidContent(
            error("value", "The id of the resource is not the one in the URL", f"{at or resource_type}.id")
        )
    return _write("PUT", resource_type, resource_id, resource, at, if_match, must_be_new=must_be_new)


def revision(resource: Mapping[str, Any]) -> Write:
    """Return the write of a resource that was read, and changed here; it fails if it was changed since.

    Its `meta` still says which version was read. Raises as `replacement` does.
    """
    version = int(resource["meta"]["versionId"])
    return replacement(resource["resourceType"], resource["id"], dict(resource), if_match=version)


def _write(
    method: Any,
    resource_type: str,
    resource_id: str,
    resource: dict[str, Any],
    at: str | None,
    if_match: int | None = None,
    *,
    must_be_new: bool = False,
) -> Write:
    issues = validate(resource)
    if issues:
        raise refusal(issues if at is None else [_moved(issue, resource_type, at) for issue in issues])
    return Write(
        method,
        resource_type,
        resource_id,
        resource,
        if_match=if_match,
        must_be_new=must_be_new,
        indexed=custom_parameters().stamp(resource_type),
        at=at,
    )


async def commit(
    context: Context,
    writes: Sequence[Write],
    absences: Sequence[Absence] = (),
    reads: Reads | None = None,
    noting: Note | None = None,
) -> list[Written]:
    """Store all of `writes` or nothing, as strictly as the settings say (see `Committer.commit`).

    `noting` is stored with them.
    """
    settings, base_url = context.settings, context.base_url
    listed = [as_set(one, settings, base_url) for one in writes]
    return await context.store.commit(listed, absences, reads, noting)


def as_set(write: Write, settings: Settings, base_url: str) -> Write:
    """Return `write` with what the settings want to be checked when it is stored."""
    if settings.require_if_match == "on":
        write = replace(write, needs_if_match=True)
    if settings.referential_integrity == "off":
        return write
    if write.resource is None:
        return replace(write, referred_as=addresses(write.resource_type, write.id, base_url))
    return replace(write, refers_to=targets(write.resource, write.at or write.resource_type, base_url))


def _of_type(resource_type: str, body: Any, at: str | None) -> dict[str, Any]:
    where = at or resource_type
    if not isinstance(body, dict):
        raise InvalidContent(error("structure", "A resource is a JSON object", where))
    if body.get("resourceType") != resource_type:
        raise InvalidContent(
            error("structure", f"The resource is not of the type in the URL, {resource_type}", where)
        )
    return body


def _moved(issue: Issue, resource_type: str, at: str) -> Issue:
    expression = tuple(at + path.removeprefix(resource_type) for path in issue.expression)
    return Issue(issue.severity, issue.code, issue.diagnostics, expression)


def check_id(resource_id: str) -> None:
    """Raise InvalidContent unless `resource_id` has the form of an id."""
    if not is_id(resource_id):
        raise InvalidContent(error("value", "An id is 1 to 64 characters of A-Z, a-z, 0-9, '-' and '.'"))
