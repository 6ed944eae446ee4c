"""Questions to the resource itself, where an index value does not say enough.

An index value leads there; what is asked here only decides between the few resources that it found.
"""

from collections.abc import Iterable
from typing import Any

from fhir_server.search.asked import Condition
from resources.fhirpath.element_paths import AtIndex, ElementIs, ElementPath, HasExtension, Step


def written(path: ElementPath, test: Any, *, below: str = "") -> Condition:
    """Return the condition that an element at `path` (or its child `below`) meets `test`.

    `test` is a value or a MongoDB operator. https://www.mongodb.com/docs/manual/tutorial/query-array-of-documents/
    """
    keys = ["resource"]
    for position, step in enumerate(path.steps):
        keys.append(step.key)
        if isinstance(step.condition, AtIndex):
            keys.append(str(step.condition.index))
        elif isinstance(step.condition, ElementIs | HasExtension):
            rest = [*(later.key for later in path.steps[position + 1 :]), *_names(below)]
            # The same element must be the right one and hold the value.
            return {".".join(keys): {"$elemMatch": {**_holds(step), ".".join(rest): test}}}
    return {".".join([*keys, *_names(below)]): test}


def _names(below: str) -> Iterable[str]:
    return [below] if below else []


def _holds(step: Step) -> Condition:
    if isinstance(step.condition, ElementIs):
        return {step.condition.key: step.condition.value}
    assert isinstance(step.condition, HasExtension)  # noqa: S101 - the two conditions that `written` hands on
    return {"extension.url": step.condition.url}
