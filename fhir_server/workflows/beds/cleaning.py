"""Cleaning: a bed is free again when the Task to clean it is completed. https://hl7.org/fhir/R4/task.html"""

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.workflows.beds import terms
from fhir_server.workflows.beds.terms import is_cleaning, kind_of, state_of
from fhir_server.workflows.consequences import Consequence, Put
from fhir_server.workflows.made import changed, has_code
from fhir_server.workflows.pattern import Change, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.references import reference_of
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]


async def gather(change: Change, records: Records) -> Resource | None:
    """Look up the bed that was cleaned."""
    task = change.after
    if task is None or not is_cleaning(task) or not change.became("completed"):
        return None
    bed = reference_of(task.get("focus"))
    if bed is not None:
        await records.lock(f"bed/{bed}")
    return await records.read(bed)


def follows(change: Change, facts: Resource | None, _situation: Situation) -> Iterable[Consequence]:
    """Let the bed be free, or ready for isolation again."""
    if facts is None or not change.became("completed") or kind_of(facts) != "bd":
        return
    assert change.after is not None  # noqa: S101 - it became something
    is_thorough = has_code(change.after.get("code"), terms.HOUSEKEEPING, terms.DECONTAMINATE)
    if state_of(facts) == "H" or (is_thorough and state_of(facts) == "K"):
        yield Put(changed(facts, operationalStatus=terms.state("I" if is_thorough else "U")))


WATCH: Watch[Any] = Watch(frozenset({"Task"}), gather=gather, follows=follows)
