"""How long MongoDB remembers the past for backups: longer while one is made, and as before after the last.

https://www.mongodb.com/docs/manual/reference/parameters/#mongodb-parameter-param.minSnapshotHistoryWindowInSeconds
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from fhir_server.settings import Settings
from fhir_server.store import Store, open_store
from fhir_server.store.history_window import remembering


class _Admin:
    """A MongoDB that says and is told how long it remembers, and pays no heed to other tests' backups."""

    def __init__(self, *, is_deaf: bool = False) -> None:
        """Remember for five minutes; if it `is_deaf` it is told nothing."""
        self.window = 300
        self.is_deaf = is_deaf

    async def command(self, command: dict[str, Any]) -> dict[str, Any]:
        """Answer, or do what it is told."""
        name = "minSnapshotHistoryWindowInSeconds"
        if "getParameter" in command:
            return {name: self.window}
        if self.is_deaf:
            raise OperationFailure("not authorized")
        self.window = command[name]
        return {}


def _with_admin(settings: Settings, work: Callable[[Any, Store], Awaitable[None]], admin: _Admin) -> None:
    async def done() -> None:
        store = open_store(settings, str(settings.mongo_url))
        try:
            await work(admin, store)
            assert admin.window == 300
            assert await store._database["locks"].find_one({"_id": "backups"}) is None
        finally:
            await store.close()

    asyncio.run(done())


@pytest.mark.parametrize("first_ends_first", [True, False])
def test_the_window_of_the_past_is_as_before_after_the_last_backup(
    settings: Settings, *, first_ends_first: bool
) -> None:
    """Of two at once neither takes it from the other, and the last one gives it back."""

    async def work(admin: Any, store: Store) -> None:
        first, second = (remembering(admin, store._database) for _ in range(2))
        await first.__aenter__()
        await second.__aenter__()
        assert admin.window == 48 * 3600
        ending = (first, second) if first_ends_first else (second, first)
        await ending[0].__aexit__(None, None, None)
        assert admin.window == 48 * 3600
        await ending[1].__aexit__(None, None, None)

    _with_admin(settings, work, _Admin())


def test_many_backups_at_once_leave_the_window_as_it_was(settings: Settings) -> None:
    """However they meet."""

    async def one(admin: Any, store: Store) -> None:
        async with remembering(admin, store._database):
            assert admin.window == 48 * 3600
            await asyncio.sleep(0.001)

    async def work(admin: Any, store: Store) -> None:
        await asyncio.gather(*(one(admin, store) for _ in range(12)))

    _with_admin(settings, work, _Admin())


def test_a_backup_that_was_killed_is_forgotten(settings: Settings) -> None:
    """A later one gives back the window that was before it."""

    async def work(admin: Any, store: Store) -> None:
        long_ago = datetime.now(UTC) - timedelta(days=3)
        going = [{"name": "killed", "at": long_ago}]
        await store._database["locks"].insert_one({"_id": "backups", "going": going, "before": 300})
        admin.window = 48 * 3600
        async with remembering(admin, store._database):
            assert admin.window == 48 * 3600

    _with_admin(settings, work, _Admin())


def test_a_mongodb_that_is_not_told_is_saved_all_the_same(settings: Settings) -> None:
    """It remembers for as long as it does."""

    async def work(admin: Any, store: Store) -> None:
        async with remembering(admin, store._database):
            assert admin.window == 300

    _with_admin(settings, work, _Admin(is_deaf=True))
