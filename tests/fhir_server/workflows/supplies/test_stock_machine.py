"""Whatever comes and goes, also at once and cut off half way: stock is what the ledger says.

https://hypothesis.readthedocs.io/en/latest/stateful.html
"""

import asyncio
import uuid
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as of_hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from fhir_server.asynchronous.jobs import Jobs
from fhir_server.context import Context
from fhir_server.identifiers import new_id
from fhir_server.settings import Settings
from fhir_server.store import Store, open_store
from fhir_server.workflows.modes import parse_modes
from fhir_server.workflows.rulebook import RuleBook, ruled
from fhir_server.workflows.supplies import PATTERN
from fhir_server.write_path import commit, replacement
from resources.operation_outcome import FhirError
from tests.fhir_server.workflows.supplies.shelf import MOVEMENT, in_days

Resource = dict[str, Any]
Result = TypeVar("Result")

_LOTS = 3
_NUMBERS = st.integers(1, 12)
_LOT = st.integers(0, _LOTS - 1)


def _now() -> datetime:
    return datetime.now(UTC)


class Stock(RuleBasedStateMachine):
    """Three lots of one item in a pharmacy, and how much of each there should be."""

    runner: asyncio.Runner
    store: Store
    context: Context

    @initialize()
    def fill(self) -> None:
        """Make an item that no other run has."""
        self.code = {"coding": [{"system": "urn:drug", "code": uuid.uuid4().hex}]}
        self.place, self.there = f"Location/{uuid.uuid4().hex}", [Decimal(0)] * _LOTS
        self.lots = [uuid.uuid4().hex for _ in range(_LOTS)]
        self.posted: list[tuple[Resource, dict[int, Decimal]]] = []
        for number, lot in enumerate(self.lots):
            batch = {"lotNumber": str(number), "expirationDate": in_days(100 + number)}
            medication = {"resourceType": "Medication", "id": lot, "code": self.code, "batch": batch}
            self.run(self.commit(medication))

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what is awaited."""
        return self.runner.run(work)

    async def commit(self, *resources: Resource) -> None:
        """Store resources in one transaction, with the rules."""
        book = RuleBook([PATTERN], parse_modes(None, None), self.store)
        writes = [replacement(one["resourceType"], one["id"], one) for one in resources]
        await commit(ruled(self.context, book), writes)

    async def refused(self, *resources: Resource) -> bool:
        """Tell whether a transaction is refused."""
        try:
            await self.commit(*resources)
        except FhirError as failure:
            broken = {one.rule for one in failure.issues}
            if broken == {"W10.insufficient"}:
                return True
            raise
        return False

    def moved(self, kind: str, lot: int, number: int) -> Resource:
        """Return a movement of one lot."""
        wanted = {"system": "http://terminology.hl7.org/CodeSystem/supply-item-type", "code": "medication"}
        return {
            "resourceType": "SupplyDelivery",
            "id": uuid.uuid4().hex,
            "status": "completed",
            "type": {"coding": [wanted, {"system": MOVEMENT, "code": kind}]},
            "suppliedItem": {
                "quantity": {"value": Decimal(number), "unit": "tablet"},
                "itemReference": {"reference": f"Medication/{self.lots[lot]}"},
            },
            "destination": {"reference": self.place},
        }

    def dispense(self, number: int) -> Resource:
        """Return a dispense of the item, whatever the lot."""
        return {
            "resourceType": "MedicationDispense",
            "id": uuid.uuid4().hex,
            "status": "completed",
            "subject": {"reference": "Patient/p"},
            "medicationCodeableConcept": self.code,
            "location": {"reference": self.place},
            "quantity": {"value": Decimal(number), "unit": "tablet"},
        }

    def take_first(self, number: Decimal) -> dict[int, Decimal]:
        """Take what expires first, as the server should; return what was taken of which lot."""
        taken: dict[int, Decimal] = {}
        for lot in range(_LOTS):
            part = min(number, self.there[lot])
            if part:
                taken[lot] = -part
                self.there[lot] -= part
                number -= part
        return taken

    @rule(lot=_LOT, number=_NUMBERS)
    def receive(self, lot: int, number: int) -> None:
        """Goods come in."""
        movement = self.moved("receipt", lot, number)
        self.run(self.commit(movement))
        self.there[lot] += number
        self.posted.append((movement, {lot: Decimal(number)}))

    @rule(number=_NUMBERS)
    def give_out(self, number: int) -> None:
        """The pharmacy dispenses."""
        movement, there = self.dispense(number), sum(self.there)
        was_known = bool(self.posted)
        assert self.run(self.refused(movement)) is (was_known and number > there)
        if was_known and number <= there:
            self.posted.append((movement, self.take_first(Decimal(number))))

    @rule(kind=st.sampled_from(["use", "waste", "adjustment"]), lot=_LOT, number=_NUMBERS)
    def take(self, kind: str, lot: int, number: int) -> None:
        """Something of one lot is used, thrown away, or not found in a count."""
        movement = self.moved(kind, lot, -number if kind == "adjustment" else number)
        is_enough = self.there[lot] >= number
        assert self.run(self.refused(movement)) is not is_enough
        if is_enough:
            self.there[lot] -= number
            self.posted.append((movement, {lot: Decimal(-number)}))

    @rule(data=st.data())
    def take_back(self, data: st.DataObject) -> None:
        """A movement was a mistake: it is reversed, if that is possible, and only once."""
        if not self.posted:
            return
        movement, lines = data.draw(st.sampled_from(self.posted))
        is_possible = all(self.there[lot] >= number for lot, number in lines.items())
        wrong = {**movement, "status": "entered-in-error"}
        assert self.run(self.refused(wrong)) is not is_possible
        if is_possible:
            self.run(self.commit(wrong))
            for lot, number in lines.items():
                self.there[lot] -= number
            self.posted = [one for one in self.posted if one[0] is not movement]

    @rule(number=_NUMBERS, lot=_LOT)
    def fail_half_way(self, number: int, lot: int) -> None:
        """A transaction whose last part is refused moves nothing, whatever came before it."""
        too_much = self.moved("use", lot, 10_000)
        assert self.run(self.refused(self.moved("receipt", lot, number), self.dispense(1), too_much))

    @rule(numbers=st.lists(_NUMBERS, min_size=2, max_size=5))
    def at_once(self, numbers: list[int]) -> None:
        """Several dispense at the same moment: those that get something get what there is."""
        if not self.posted:
            return

        async def all_of_them() -> list[bool]:
            return await asyncio.gather(*(self.refused(self.dispense(number)) for number in numbers))

        results = self.run(all_of_them())
        given = sum(number for number, refused in zip(numbers, results, strict=True) if not refused)
        left_out = [number for number, refused in zip(numbers, results, strict=True) if refused]
        assert given <= sum(self.there)
        self.take_first(Decimal(given))
        assert not left_out or sum(self.there) < min(left_out)

    @invariant()
    def is_as_the_ledger_says(self) -> None:
        """What is on hand, what the ledger adds up to, and what the Observations tell are the same."""
        if not hasattr(self, "lots"):
            return
        assert self.run(self.store.stock.differences()) == []
        for lot, number in zip(self.lots, self.there, strict=True):
            shelves = self.run(self.store.stock.shelves(lot=f"Medication/{lot}"))
            assert sum(one.quantity for one in shelves) == number >= 0
            for one in shelves:
                version = self.run(self.store.read("Observation", one.id))
                assert version is not None
                assert version.resource is not None
                assert version.resource["valueQuantity"]["value"] == one.quantity


@pytest.fixture
def machine(settings: Settings) -> Iterator[type[Stock]]:
    """The machine on a database of its own."""
    with asyncio.Runner() as runner:
        store = open_store(settings, str(settings.mongo_url))

        def no_route(_request: object) -> Any:
            raise AssertionError

        jobs = Jobs(store.async_jobs)
        Stock.runner, Stock.store = runner, store
        Stock.context = Context("http://server/fhir", store, settings, _now, new_id, no_route, jobs)
        yield Stock
        runner.run(store.close())


@pytest.mark.workflow("1-13", "4-37")
def test_stock_is_what_the_ledger_says(machine: type[Stock]) -> None:
    """After any sequence of movements."""
    chosen = of_hypothesis(
        max_examples=15,
        stateful_step_count=12,
        deadline=None,
        # Each step takes some transactions: to look for the shortest sequence would take minutes.
        phases=(Phase.generate,),
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=chosen)
