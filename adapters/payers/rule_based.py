"""An insurer made of a table, for demonstrations and tests: share, copay and deductible by plan."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from adapters.payers.payer import Item, Member, Terms, Verdict

_DEFAULT = Path(__file__).with_name("payers.toml")
_CENT = Decimal("0.01")
_NOT_AGREED = "preauthorization required"


@dataclass(frozen=True, slots=True)
class Plan:
    """A row of the table."""

    name: str
    share: Decimal
    copay: Decimal
    deductible: Decimal
    preauthorization: frozenset[str]


class RuleBasedPayer:
    """Pays as the table says; the row without a name is for all other plans."""

    def __init__(self, plans: Mapping[str, Plan]) -> None:
        """Pay by `plans`."""
        self._plans = plans

    async def terms(self, member: Member, /) -> Terms:
        """Say what a member's plan pays."""
        plan = self._plan(member)
        left = max(plan.deductible - member.deductible_met, Decimal(0))
        return Terms(plan.name, plan.share, plan.copay, plan.deductible, left, plan.preauthorization)

    async def preauthorize(self, member: Member, items: tuple[Item, ...], /) -> tuple[Verdict, ...]:
        """Agree to everything, and say what would be paid."""
        agreed = tuple(Item(one.sequence, one.codes, one.net, preauthorized=True) for one in items)
        return await self.adjudicate(member, agreed)

    async def adjudicate(self, member: Member, items: tuple[Item, ...], /) -> tuple[Verdict, ...]:
        """Take deductible and copay off in the order of the items, and pay the share of the rest."""
        plan = self._plan(member)
        deductible = max(plan.deductible - member.deductible_met, Decimal(0))
        copay = plan.copay
        verdicts = []
        for item in items:
            if item.net > 0 and not item.preauthorized and item.codes & plan.preauthorization:
                verdicts.append(Verdict(item.sequence, Decimal(0), denied=_NOT_AGREED))
                continue
            before = max(min(deductible, item.net), Decimal(0))
            paid_by_patient = max(min(copay, item.net - before), Decimal(0))
            rest = item.net - before - paid_by_patient
            benefit = (rest * plan.share).quantize(_CENT, ROUND_HALF_UP)
            deductible -= before
            copay -= paid_by_patient
            verdicts.append(Verdict(item.sequence, benefit, paid_by_patient, before))
        return tuple(verdicts)

    def _plan(self, member: Member) -> Plan:
        return self._plans.get(member.plan, self._plans[""])


@cache
def load_payer(path: Path | None = None) -> RuleBasedPayer:
    """Return the insurer of the table in a file, without one that which comes with the server.

    Raises ValueError if it is none.
    """
    try:
        data = tomllib.loads((path or _DEFAULT).read_text(encoding="utf-8"), parse_float=Decimal)
        plans = {plan.name: plan for plan in map(_plan_of, data["plan"])}
    except (OSError, KeyError, TypeError, InvalidOperation, tomllib.TOMLDecodeError) as failure:
        raise ValueError(f"not a table of plans: {failure}") from failure
    if "" not in plans:
        raise ValueError("not a table of plans: one has no name, which is for all others")
    return RuleBasedPayer(plans)


def _plan_of(row: Mapping[str, Any]) -> Plan:
    share = Decimal(str(row["share"]))
    if not 0 <= share <= 1:
        raise ValueError("not a table of plans: a share is from 0 to 1")
    return Plan(
        row.get("name", ""),
        share,
        Decimal(str(row.get("copay", "0"))),
        Decimal(str(row.get("deductible", "0"))),
        frozenset(row.get("preauthorization", ())),
    )
