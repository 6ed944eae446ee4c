"""Letting time pass: what the agenda says is due until a moment is done."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from fhir_server.asynchronous.jobs import Jobs
from fhir_server.context import Context
from fhir_server.identifiers import new_id
from fhir_server.settings import Settings
from fhir_server.store import open_store
from fhir_server.store.agenda import AGENDA
from fhir_server.workflows.clock import Clock
from fhir_server.workflows.modes import parse_modes
from fhir_server.workflows.registry import PATTERNS
from fhir_server.workflows.rulebook import RuleBook
from fhir_server.workflows.services import Services

_MOST = 1_000


def meanwhile(monkeypatch: pytest.MonkeyPatch, module: ModuleType, change: Callable[[], Any]) -> None:
    """Let `change` happen between what an action in `module` has read and what it stores, once."""
    commit, waiting = module.commit, [change]

    async def later(*arguments: Any) -> Any:
        while waiting:
            waiting.pop()()
        return await commit(*arguments)

    monkeypatch.setattr(module, "commit", later)


async def pass_time(settings: Settings, moment: datetime) -> None:
    """Do what waits in the agenda for a time before `moment`."""

    def no_route(_request: object) -> Any:
        raise AssertionError

    assert settings.mongo_url is not None
    store = open_store(settings, settings.mongo_url)
    try:
        context = Context(
            "http://server/fhir", store, settings, lambda: moment, new_id, no_route, Jobs(store.async_jobs)
        )
        clock = Clock(
            store, RuleBook(PATTERNS, parse_modes(None, None), store), Services(), lambda _: context
        )
        for _ in range(_MOST):
            if await clock.work_once():
                continue
            # The server's own clock may be at work on one, or have put it off for a moment.
            waiting = {"state": "waiting", "due": {"$lte": max(moment, datetime.now(UTC))}}
            if await store._database[AGENDA].count_documents(waiting) == 0:
                return
            await asyncio.sleep(0.02)
    finally:
        await store.close()
    raise AssertionError(datetime.now(UTC))
