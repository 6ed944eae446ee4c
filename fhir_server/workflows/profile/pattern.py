"""W2, changes of a patient's own record: by whom, of what, and of which version.

https://hl7.org/fhir/R4/patient.html, https://hl7.org/fhir/R4/http.html#concurrency
"""

from collections.abc import Iterable
from typing import Any

from fhir_server.workflows.pattern import Change, Pattern, Rule, Violation, Watch
from fhir_server.workflows.situation import Situation

PROTECTED = Rule(
    "W2.protected",
    "Only an administrator changes identifiers, links, whether a record is active, and a death.",
    403,
    "forbidden",
)
OWN_ELEMENTS = Rule(
    "W2.own-elements",
    "Patients change of their own record what they are reached by, whom to call, languages and the photo.",
    403,
    "forbidden",
)
IF_MATCH = Rule(
    "W2.if-match", "A patient changes their own record with If-Match only, of the version that they saw."
)

_PROTECTED = ("identifier", "active", "link", "deceasedBoolean", "deceasedDateTime")
_OWN = frozenset({"telecom", "address", "contact", "communication", "photo"})
_STAMPED = frozenset({"id", "meta", "resourceType", "text"})


def check(change: Change, _facts: None, situation: Situation) -> Iterable[Violation]:
    """Refuse changes of what is not the caller's to change."""
    if change.before is None or change.after is None or situation.has_role("AD"):
        return
    before, after = _with_shadows(change.before), _with_shadows(change.after)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    for name in _PROTECTED:
        if name in changed:
            yield PROTECTED.broken("Only an administrator changes this", f"Patient.{name}")
    if situation.is_only_patient():
        for name in sorted(changed - _OWN - _STAMPED - set(_PROTECTED)):
            yield OWN_ELEMENTS.broken("Patients do not change this themselves", f"Patient.{name}")


def _with_shadows(patient: Any) -> dict[str, Any]:
    """Return the elements of a patient, each with its extensions, as JSON keeps them apart for primitives."""
    found: dict[str, Any] = {}
    for name, value in patient.items():
        found.setdefault(name.removeprefix("_"), []).append((name, value))
    return {name: sorted(values, key=lambda pair: str(pair[0])) for name, values in found.items()}


PATTERN = Pattern(
    id="W2",
    title="Profile change",
    rules=(PROTECTED, OWN_ELEMENTS, IF_MATCH),
    watches=(
        Watch(
            frozenset({"Patient"}),
            check=check,
            needs_version=(IF_MATCH, Situation.is_only_patient),
        ),
    ),
)
