"""How MongoDB carried out a question: by which plan, with which indexes, and what it had to look at.

https://www.mongodb.com/docs/manual/reference/command/explain/,
https://www.mongodb.com/docs/manual/reference/explain-results/
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fhir_server.store.connection import Database


@dataclass(frozen=True, slots=True)
class Explanation:
    """One question to MongoDB: `operation` is `find`, `aggregate` or `count`.

    `stages` are those of the plan from the last to the first, `indexes` the names of the indexes in it; the
    numbers of index keys and documents that were looked at, of what was returned, and the milliseconds.
    """

    operation: str
    resource_type: str
    stages: tuple[str, ...]
    indexes: tuple[str, ...]
    keys_examined: int
    documents_examined: int
    returned: int
    milliseconds: int


async def explained(database: Database, command: dict[str, Any], longest_ms: int) -> Explanation:
    """Return how `command` is carried out, which is done once more for this."""
    answer = await database.command(
        {"explain": command, "verbosity": "executionStats", "maxTimeMS": longest_ms}
    )
    names = [next(iter(stage)).removeprefix("$") for stage in answer.get("stages", ())][1:]
    if "stages" in answer:  # an aggregation: its first stage is the plan of a find
        answer = answer["stages"][0]["$cursor"]
    statistics = answer["executionStats"]
    plan = list(_stages(answer["queryPlanner"]["winningPlan"]))
    operation, resource_type = next(iter(command.items()))
    return Explanation(
        operation,
        resource_type,
        (*names[::-1], *(stage["stage"] for stage in plan)),
        tuple(dict.fromkeys(stage["indexName"] for stage in plan if "indexName" in stage)),
        statistics["totalKeysExamined"],
        statistics["totalDocsExamined"],
        statistics["nReturned"],
        statistics["executionTimeMillis"],
    )


def _stages(plan: Any) -> Iterator[dict[str, Any]]:
    """Yield the stages of a plan, each before those that feed it."""
    if isinstance(plan, dict):
        if "queryPlan" in plan:  # MongoDB's newer engine shows its own plan beside the usual one
            plan = plan["queryPlan"]
        if isinstance(plan.get("stage"), str):
            yield plan
        for key, inner in plan.items():
            if key in ("inputStage", "inputStages", "thenStage", "elseStage", "outerStage", "innerStage"):
                yield from _stages(inner)
    elif isinstance(plan, list):
        for inner in plan:
            yield from _stages(inner)
