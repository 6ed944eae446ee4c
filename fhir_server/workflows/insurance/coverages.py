"""Coverages: whose they are, and when they are in force. https://hl7.org/fhir/R4/coverage.html"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fhir_server.workflows.billing.references import short
from fhir_server.workflows.insurance import rules
from fhir_server.workflows.pattern import Change, StateTable, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]
_PLAN = "plan"

STATES = StateTable(
    "Coverage",
    rules.COVERAGE_STATE,
    {
        "draft": ("active", "cancelled", "entered-in-error"),
        "active": ("cancelled", "entered-in-error"),
        "cancelled": ("entered-in-error",),
    },
)


def check(change: Change, _facts: None, situation: Situation) -> Iterable[Violation]:
    """Yield what is wrong with a coverage."""
    after, before = change.after, change.before
    if after is None:
        return
    if before is not None:
        whose = [short(one.get("beneficiary"), situation.base_url) for one in (before, after)]
        if whose[0] != whose[1]:
            yield rules.BENEFICIARY.broken("It is another patient's", "Coverage.beneficiary")


async def insuring(told: Sequence[Resource], records: Records) -> dict[str, Resource | None]:
    """Return the coverages that a claim or request names; None for those that are not here."""
    found: dict[str, Resource | None] = {}
    for one in told:
        reference = one.get("coverage", {}).get("reference", "")
        found[reference] = await records.read(reference)
    return found


def unfit(
    coverages: Mapping[str, Resource | None], patient: str | None, day: str, where: str, base_url: str
) -> Iterable[Violation]:
    """Yield which coverages are not the patient's, or not in force on a day (`2026-01-31`)."""
    if not coverages:
        yield rules.COVERAGE.broken("It names no coverage", where)
    for coverage in coverages.values():
        if coverage is None or short(coverage.get("beneficiary"), base_url) != patient:
            yield rules.COVERAGE.broken("It is no coverage of this patient", where)
        elif not is_in_force(coverage, day):
            yield rules.COVERAGE.broken("The coverage is not in force", where)


def is_in_force(coverage: Resource, day: str) -> bool:
    """Tell whether a coverage is in force on a day."""
    period = coverage.get("period", {})
    start, end = period.get("start", "")[:10], period.get("end", "")[:10]
    begun = start <= day[: len(start)] if start else True
    return coverage.get("status") == "active" and begun and (not end or day[: len(end)] <= end)


def plan_of(coverage: Resource) -> str:
    """Return the value of the plan of a coverage, "" for one without."""
    for one in coverage.get("class", ()):
        if any(coding.get("code") == _PLAN for coding in one.get("type", {}).get("coding", ())):
            return str(one.get("value", ""))
    return ""


def insurer_of(coverage: Resource, base_url: str) -> str | None:
    """Return the Organization that insures, None if people pay themselves."""
    payors = (short(one, base_url) for one in coverage.get("payor", ()))
    return next((one for one in payors if one and one.startswith("Organization/")), None)


COVERAGES = Watch(types=frozenset({"Coverage"}), check=check)
