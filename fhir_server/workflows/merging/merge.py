"""Patient/$merge and $unmerge: two records of one person made into one, and taken apart again.

The operation is that of R6, as far as R4 has what it needs. https://build.fhir.org/patient-operation-merge.html
"""

from dataclasses import dataclass, replace
from typing import Any

from fhir_server.context import Context, Request, Response
from fhir_server.interactions.read import read
from fhir_server.interactions.update import MOST_ATTEMPTS, overtaken
from fhir_server.operations.inputs import Inputs, inputs
from fhir_server.operations.operation import Operation
from fhir_server.operations.outputs import parameters
from fhir_server.search.escaping import escape
from fhir_server.search.parameters import parse_search
from fhir_server.store import Version, VersionReplaced, Write
from fhir_server.workflows.made import key_id
from fhir_server.workflows.merging.accounts import accounts_in, accounts_of, hand_over
from fhir_server.workflows.merging.joined import joined, parted
from fhir_server.workflows.merging.journal import MERGE, UNMERGE, advanced, new_journal
from fhir_server.workflows.merging.moving import move_parts
from fhir_server.workflows.merging.pointing import count_pointing
from fhir_server.workflows.pattern import Rule
from fhir_server.workflows.records import local
from fhir_server.workflows.registration.identity import is_merged, links
from fhir_server.workflows.rulebook import only_claims
from fhir_server.write_path import commit, replacement
from resources.operation_outcome import (
    InvalidContent,
    Issue,
    ResourceNotFound,
    error,
    operation_outcome,
)

MERGE_RULE = Rule("W1.merge", "Two different patients are merged, neither of whom went into another one.")
UNMERGE_RULE = Rule("W1.unmerge", "Only what was merged, and not into a third one since, is taken apart.")

_MERGE_PARAMETERS = (
    "source-patient", "source-patient-identifier", "target-patient", "target-patient-identifier",
    "result-patient", "preview",
)  # fmt: skip
# What one request moves before the agenda goes on.
_PARTS_OF_REQUEST = 5


@dataclass(frozen=True, slots=True)
class _Pair:
    """Both patients as they are: what goes, and what it goes into."""

    source: Version
    target: Version


async def merge(request: Request, context: Context) -> Response:
    """Make the source patient a part of the target: numbers, all that was written, and the account.

    With `preview` nothing is stored. The Task that is answered tells when everything is moved.
    """
    given = inputs(request, _MERGE_PARAMETERS, lenient=context.preferences.lenient)
    for _ in range(MOST_ATTEMPTS):
        pair = await _pair(given, context)
        try:
            return await _merged(pair, given, context)
        except VersionReplaced:
            continue
    raise overtaken()


async def _merged(pair: _Pair, given: Inputs, context: Context) -> Response:
    source, target = pair.source.resource or {}, pair.target.resource or {}
    result = given.resource("result-patient")
    if result is not None and (result["resourceType"], result.get("id")) != ("Patient", target["id"]):
        raise InvalidContent(error("value", "The parameter result-patient is the target as it is to be"))
    was, becomes = joined(source, target, result)
    writes = [
        _of_version(replacement("Patient", source["id"], was), pair.source),
        _of_version(replacement("Patient", target["id"], becomes), pair.target),
    ]
    counts = await count_pointing(source["id"], context)
    if given.boolean("preview", default=False):
        return Response(200, _answer(request_of(given), becomes, counts, None))
    accounts = await accounts_of(source["id"], target["id"], context)
    journal = new_journal(
        key_id(MERGE, source["id"], target["id"], str(pair.source.number)), MERGE,
        source["id"], target["id"], context.now(), accounts, _by(context),
    )  # fmt: skip
    everything = await _begun(writes, journal, context)
    # Nobody is let see the other record before it is certain that the two are one.
    await hand_over(everything[-1], context)
    task = await _moved(everything[-1], context)
    return Response(200, _answer(request_of(given), everything[1], counts, task))


async def _begun(writes: list[Write], journal: dict[str, Any], context: Context) -> list[dict[str, Any]]:
    task = replacement("Task", journal["id"], journal)
    written = await commit(context, [*writes, task])
    return [one.version.resource for one in written if one.version and one.version.resource]


async def _moved(journal: dict[str, Any], context: Context) -> dict[str, Any]:
    """Move what one request may; return the Task as it is then. The agenda does the rest."""
    everything = replace(context, store=context.store.unguarded())
    moved, left, is_done = await move_parts(journal, only_claims(everything), _PARTS_OF_REQUEST)
    note = advanced(journal, moved, left, context.now(), is_done=is_done)
    (written,) = await commit(everything, [replacement("Task", journal["id"], note)])
    return (written.version.resource if written.version else None) or note


async def unmerge(request: Request, context: Context) -> Response:
    """Take a patient out of the one that they were merged into, with what was written about them before.

    What was written about the other one since stays there. The Task that is answered tells when all is moved.
    """
    inputs(request, (), lenient=context.preferences.lenient)
    for _ in range(MOST_ATTEMPTS):
        source = await _current(request.path[1], context)
        into = local(next(links(source.resource, "replaced-by"), None), context.base_url)
        if into is None:
            raise UNMERGE_RULE.error("This patient did not go into another one", "Patient.link")
        target = await _current(into[1], context)
        if is_merged(target.resource):
            raise UNMERGE_RULE.error("The other patient went into a third one; take that apart first")
        try:
            return await _unmerged(source, target, context)
        except VersionReplaced:
            continue
    raise overtaken()


async def _unmerged(source: Version, target: Version, context: Context) -> Response:
    one, other = source.resource or {}, target.resource or {}
    last = await _before_merge(source, context)
    again, alone = parted(one, other, last.resource or {})
    writes = [
        _of_version(replacement("Patient", other["id"], alone), target),
        _of_version(replacement("Patient", one["id"], again), source),
    ]
    before = await context.store.unguarded().read(
        "Task", key_id(MERGE, one["id"], other["id"], str(last.number))
    )
    accounts = accounts_in(None if before is None else before.resource)
    journal = new_journal(
        key_id(UNMERGE, one["id"], other["id"], str(source.number)), UNMERGE,
        one["id"], other["id"], context.now(), accounts, _by(context),
    )  # fmt: skip
    everything = await _begun(writes, journal, context)
    await hand_over(everything[-1], context)
    task = await _moved(everything[-1], context)
    return Response(200, _answer([], everything[1], {}, task))


async def _before_merge(source: Version, context: Context) -> Version:
    """Return the last version of a patient who has not gone into another one yet."""
    for number in range(source.number - 1, 0, -1):
        version = await context.store.read_version("Patient", source.id, number)
        if version is not None and version.resource is not None and not is_merged(version.resource):
            return version
    raise UNMERGE_RULE.error("It is not known how this patient was before", "Patient.link")


def _of_version(write: Write, version: Version) -> Write:
    return replace(write, number=version.number + 1, if_match=version.number)


def _by(context: Context) -> str | None:
    return None if context.principal is None else context.principal.fhir_user


def request_of(given: Inputs) -> list[dict[str, Any]]:
    """Return what was asked for, to be answered with what came of it."""
    listed = []
    for name in ("source-patient", "target-patient"):
        for value in given.all(name):
            reference = value if isinstance(value, dict) else {"reference": value}
            listed.append({"name": name, "valueReference": reference})
    return listed


def _answer(
    asked: list[dict[str, Any]],
    result: dict[str, Any],
    counts: dict[str, int],
    task: dict[str, Any] | None,
) -> dict[str, Any]:
    total = sum(counts.values())
    said = "are moved" if task is not None else "would be moved"
    listed = ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))
    issue = Issue("information", "informational", f"{total} resources {said}{': ' if listed else ''}{listed}")
    answer = [
        *([{"name": "input", "resource": parameters(asked)}] if asked else []),
        {"name": "outcome", "resource": operation_outcome([issue])},
        {"name": "result", "resource": result},
    ]
    if task is not None:
        answer.append({"name": "task", "resource": task})
    return parameters(answer)


async def _pair(given: Inputs, context: Context) -> _Pair:
    source = await _patient("source-patient", given, context)
    target = await _patient("target-patient", given, context)
    if source.id == target.id:
        raise MERGE_RULE.error("The two patients are one and the same")
    if is_merged(source.resource) or is_merged(target.resource):
        raise MERGE_RULE.error("One of the two patients went into another one before", "Patient.link")
    return _Pair(source, target)


async def _patient(name: str, given: Inputs, context: Context) -> Version:
    """Return the patient that a reference or identifiers name."""
    value, identifiers = given.one(name), given.all(f"{name}-identifier")
    if value is not None:
        text = value.get("reference") if isinstance(value, dict) else value
        key = local(text, context.base_url)
        if key is None or key[0] != "Patient":
            raise InvalidContent(error("value", f"The parameter {name} is a reference to a Patient here"))
        return await _current(key[1], context)
    if not identifiers:
        raise InvalidContent(error("required", f"The parameter {name} or {name}-identifier is missing"))
    pairs = [("identifier", _token(name, one)) for one in identifiers]
    query = parse_search("Patient", pairs, lenient=False, base_url=context.base_url, now=context.now())
    ids = await context.store.matching_ids("Patient", query.filter, 2)
    if len(ids) != 1:
        raise ResourceNotFound(error("not-found", f"Not one patient has what {name}-identifier says"))
    return await _current(ids[0], context)


def _token(name: str, identifier: Any) -> str:
    if not isinstance(identifier, dict) or not identifier.get("value"):
        raise InvalidContent(error("value", f"The parameter {name}-identifier is an Identifier with a value"))
    parts = [identifier[name] for name in ("system", "value") if identifier.get(name)]
    return "|".join(map(escape, parts))


async def _current(patient: str, context: Context) -> Version:
    await read(Request("GET", ("Patient", patient)), context)  # 404 and 410
    version = await context.store.read("Patient", patient)
    if version is None or version.resource is None:
        raise ResourceNotFound(error("not-found", f"There is no Patient/{patient}"))
    return version


MERGE_OPERATION = Operation(
    code="merge",
    definition="metadata/OperationDefinition/merge",
    handler=merge,
    types=frozenset({"Patient"}),
    parameters=_MERGE_PARAMETERS,
    parameter_types={
        "source-patient": "Reference",
        "source-patient-identifier": "Identifier",
        "target-patient": "Reference",
        "target-patient-identifier": "Identifier",
        "result-patient": "Patient",
        "preview": "boolean",
    },
    on_type=True,
    affects_state=True,
)
UNMERGE_OPERATION = Operation(
    code="unmerge",
    definition="metadata/OperationDefinition/unmerge",
    handler=unmerge,
    types=frozenset({"Patient"}),
    on_instance=True,
    affects_state=True,
)
