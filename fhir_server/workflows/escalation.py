"""How often more people were told of a Task that nobody took on: its businessStatus says so.

https://hl7.org/fhir/R4/task-definitions.html#Task.businessStatus
"""

from collections.abc import Mapping
from typing import Any

from fhir_server.workflows.made import Resource, concept

_MARK = "escalated-"


def escalated(system: str, number: int, display: str | None = None) -> Resource:
    """Return the businessStatus of a Task of which more people were told `number` times."""
    return concept(system, f"{_MARK}{number}", display)


def escalations(task: Mapping[str, Any] | None, system: str) -> int:
    """Return how often that was, as a code of `system` says; 0 if there is none."""
    for coding in (task or {}).get("businessStatus", {}).get("coding", ()):
        code = coding.get("code", "")
        number = code.removeprefix(_MARK)
        if coding.get("system") == system and number != code and number.isdecimal():
            return int(number)
    return 0
