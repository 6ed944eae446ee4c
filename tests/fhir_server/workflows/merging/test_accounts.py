"""Accounts of those whose records are merged, and of those who act for them, also after a crash."""

import asyncio
import uuid
from typing import Any

import httpx
import pytest

from fhir_server.settings import Settings
from fhir_server.store import Store, open_store
from fhir_server.store.accounts import Account
from fhir_server.workflows.merging import merge
from tests.fhir_server.workflows.merging.test_merge import _call, _eventually, _make_due, _new, _parts
from tests.fhir_server.workflows.registration.conftest import settings

__all__ = ["settings"]


class People:
    """Those who may sign in."""

    def __init__(self, settings: Settings) -> None:
        """Keep accounts in the database of a hospital."""
        self._settings = settings

    def _do(self, work: Any) -> Any:
        async def within() -> Any:
            assert self._settings.mongo_url is not None
            store: Store = open_store(self._settings, self._settings.mongo_url)
            try:
                return await work(store.accounts)
            finally:
                await store.close()

        return asyncio.run(within())

    def add(self, person: str | None, *patients: str) -> str:
        """Make an account of somebody who acts for patients; return its id."""
        name = uuid.uuid4().hex
        account = Account(name, name, name, "", ("PT",), person, patients)
        self._do(lambda accounts: accounts.add(account))
        return name

    def is_for(self, account_id: str) -> tuple[str | None, set[str]]:
        """Return who somebody is, and for whom they act."""
        found = self._do(lambda accounts: accounts.get(account_id))
        return found.fhir_user, set(found.patients)


@pytest.fixture
def people(settings: Settings) -> People:
    """Those who may sign in."""
    return People(settings)


def test_accounts_are_as_they_were_when_records_are_parted(client: httpx.Client, people: People) -> None:
    """The person's own, a guardian's of both, and those of who is, or acts for, the other one."""
    source, target = (_new(client)["id"] for _ in range(2))
    guardian, mine, theirs = f"RelatedPerson/{uuid.uuid4().hex}", f"Patient/{source}", f"Patient/{target}"
    before = {
        people.add(mine): (mine, set()),
        people.add(mine, target): (mine, {target}),
        people.add(theirs): (theirs, set()),
        people.add(theirs, source): (theirs, {source}),
        people.add(guardian, source): (guardian, {source}),
        people.add(guardian, source, target, "third"): (guardian, {source, target, "third"}),
        people.add(guardian, target): (guardian, {target}),
    }
    _parts(_call(client, source, target))
    for account, (person, patients) in before.items():
        wanted = {target if one == source else one for one in patients}
        assert people.is_for(account) == (theirs if person == mine else person, wanted)
    _parts(client.post(f"/Patient/{source}/$unmerge"))
    assert {account: people.is_for(account) for account in before} == before


@pytest.mark.parametrize("back", [False, True])
def test_accounts_follow_after_a_crash(
    client: httpx.Client,
    people: People,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    *,
    back: bool,
) -> None:
    """What the request did not come to, the agenda does."""
    source, target = (_new(client)["id"] for _ in range(2))
    account = people.add(f"Patient/{source}")
    if back:
        _parts(_call(client, source, target))

    async def crash(*_args: Any) -> None:
        raise RuntimeError("the power fails")

    with monkeypatch.context() as broken:
        broken.setattr(merge, "hand_over", crash)
        answer = client.post(f"/Patient/{source}/$unmerge") if back else _call(client, source, target)
    assert answer.status_code == 500
    assert people.is_for(account)[0] == f"Patient/{target if back else source}"
    kind = "patient-unmerge" if back else "patient-merge"
    found = client.get("/Task", params={"code": kind, "status": "in-progress"}).json()["entry"]
    for one in found:
        _make_due(settings, one["resource"]["id"])
    _eventually(lambda: people.is_for(account)[0] == f"Patient/{source if back else target}")
