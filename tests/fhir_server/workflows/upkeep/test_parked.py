"""What the server could not do by itself becomes a support ticket, without a word of whom it was about."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fhir_server.asynchronous.jobs import Jobs
from fhir_server.context import Context
from fhir_server.identifiers import new_id
from fhir_server.settings import Settings
from fhir_server.store import open_store
from fhir_server.store.accounts import Account
from fhir_server.store.agenda import AGENDA
from fhir_server.workflows.clock import Clock
from fhir_server.workflows.modes import parse_modes
from fhir_server.workflows.pattern import Pattern
from fhir_server.workflows.rulebook import RuleBook
from fhir_server.workflows.services import Services
from fhir_server.workflows.upkeep.tickets import PATTERN

pytestmark = pytest.mark.anyio


async def fail(_entry: object, _context: object, _services: object) -> None:
    """Fail, with what nobody may read in a ticket."""
    raise RuntimeError("Anna Abel, born 1980")


@pytest.mark.workflow("0-21", "0-20")
async def test_operators_are_told_once(settings: Settings) -> None:
    """After the last attempt there is one ticket, for the administrators there are."""
    store = open_store(settings, str(settings.mongo_url))
    await store.accounts.add(Account("1", "ada", "Ada", "x", ("AD",), "Practitioner/ada"))
    moment = [datetime.now(UTC)]

    def context(_request_id: str) -> Context:
        def no_route(_request: object) -> Any:
            raise AssertionError

        now = moment[0]
        jobs = Jobs(store.async_jobs)
        return Context("http://server/fhir", store, settings, lambda: now, new_id, no_route, jobs)

    book = RuleBook(
        [PATTERN, Pattern("WT", "Test", actions={"WT.fail": fail})], parse_modes(None, None), store
    )
    entry = {"_id": "fail/Patient/anna", "due": moment[0], "action": "WT.fail", "subject": "Patient/anna"}
    state: dict[str, Any] = {"data": {}, "state": "waiting", "until": None, "attempts": 0}
    await store._database[AGENDA].insert_one(entry | state)
    clock = Clock(store, book, Services(), context)
    for _ in range(60):
        await clock.work_once()
        moment[0] += timedelta(hours=1)
    [task] = [one["resource"] for one in await store.find("Task", {}, [], {"resource": 1}, 10)]
    await store.close()
    assert task["status"] == "requested"
    assert "WT.fail failed too often and is parked (RuntimeError)" in task["description"]
    assert "anna" not in str(task).lower()
    assert task["restriction"]["recipient"] == [{"reference": "Practitioner/ada"}]
