"""User administration: accounts of people on record, roles that end all tokens, and no deletion.

https://hl7.org/fhir/smart-app-launch/STU2.2/
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
import pytest

from fhir_server.settings import Settings
from fhir_server.smart.principal import Principal
from fhir_server.store import Store, open_store
from fhir_server.store.accounts import Account
from fhir_server.store.oauth.authorizations import LaunchContext
from fhir_server.store.oauth.grants import AccessToken, Grant
from tests.fhir_server.conftest import FHIR_JSON, running_server

Resource = dict[str, Any]
Result = TypeVar("Result")
ROLES = ("PT", "DR", "PH", "AD", "AU")
_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


async def _authenticate(token: str) -> Principal | None:
    """Know somebody by a token that is the role and the account."""
    role, _, account = token.partition(".")
    person = f"{'Patient' if role == 'PT' else 'Practitioner'}/{account}"
    return Principal("app", ("user/*.cruds",), account, person, frozenset({role}), patient=None)


class Hospital:
    """A server with its accounts, and callers of it."""

    def __init__(self, url: str, settings: Settings, opened: ExitStack) -> None:
        """Call the server at `url`, which has its data where `settings` say."""
        self._url, self._settings, self._opened = url, settings, opened
        self.admin = self.caller("AD", "root")

    def caller(self, role: str, account: str) -> httpx.Client:
        """Return a client of somebody in a role."""
        headers = {"content-type": FHIR_JSON, "authorization": f"Bearer {role}.{account}"}
        client = httpx.Client(base_url=self._url, headers=headers, timeout=30)
        return self._opened.enter_context(client)

    def stored(self, work: Callable[[Store], Awaitable[Result]]) -> Result:
        """Return what `work` gets of the store."""

        async def run() -> Result:
            assert self._settings.mongo_url is not None
            store = open_store(self._settings, self._settings.mongo_url)
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(run())

    def is_good(self, token: str) -> bool:
        """Tell whether an access token, given by its hash, lets anybody in."""
        now = datetime.now(UTC)
        return self.stored(lambda store: store.oauth.grants.access_token(token, now)) is not None

    def person(self, resource_type: str = "Practitioner", **more: Any) -> str:
        """Put somebody on record."""
        made = {"resourceType": resource_type, "id": uuid.uuid4().hex, "name": [{"family": "Doe"}], **more}
        if resource_type == "Patient":
            made["birthDate"] = "1980-01-01"
        assert self.admin.put(f"/{resource_type}/{made['id']}", json=made).status_code == 201
        return f"{resource_type}/{made['id']}"

    def account(self, person: str, *roles: str) -> str:
        """Give somebody an account, and return its id."""
        answer = self.call(f"{person}/$create-account", role=roles, user_name=uuid.uuid4().hex)
        assert answer.status_code == 200, answer.text
        return str(told(answer)["account"])

    def call(self, address: str, client: httpx.Client | None = None, /, **given: Any) -> httpx.Response:
        """Call an operation with text parameters, as the administrator unless another client is given."""
        listed = [
            {"name": name.replace("_", "-"), "valueString": one}
            for name, values in given.items()
            for one in ([values] if isinstance(values, str) else values)
        ]
        body = {"resourceType": "Parameters"} | ({"parameter": listed} if listed else {})
        return (client or self.admin).post(f"/{address}", json=body)


def told(answer: httpx.Response) -> Resource:
    """Return what Parameters say, the last value of each name."""
    found = {}
    for one in answer.json()["parameter"]:
        found[one["name"]] = next(value for name, value in one.items() if name.startswith("value"))
    return found


def rules(answer: httpx.Response) -> set[str]:
    """Return the rules that a refusal names."""
    listed = answer.json().get("issue", [])
    return {code["code"] for issue in listed for code in issue.get("details", {}).get("coding", [])}


@pytest.fixture(scope="module")
def hospital(settings: Settings) -> Iterator[Hospital]:
    """A server that puts on record what is done, with its first administrator."""
    cheap = {"password_rounds": 1, "password_memory_kib": 8, "encryption_key": _KEY, "audit": "on"}
    changed = Settings(**settings.model_dump() | cheap)
    with running_server(changed, _authenticate) as url, ExitStack() as opened:
        made = Hospital(url, changed, opened)
        root = Account("root", "root", "Root", "", ("AD",), "Practitioner/root")
        made.stored(lambda store: store.accounts.add(root))
        yield made


@pytest.mark.workflow("3-18", "4-30")
def test_an_administrator_makes_an_account(hospital: Hospital) -> None:
    """For somebody on record, once; the password is chosen by a link that nobody else learns."""
    person = hospital.person()
    given: Any = {"user_name": f"dora-{person}", "role": ["DR"], "name": "Dora"}
    answer = hospital.call(f"{person}/$create-account", **given)
    assert answer.status_code == 200, answer.text
    account = told(answer)
    assert (account["role"], account["person"], account["active"]) == ("DR", {"reference": person}, True)
    assert "/auth/reset/" in account["link"]
    assert "link" not in told(hospital.call(f"{person}/$account"))
    stored = hospital.stored(lambda store: store.accounts.get(account["account"]))
    assert stored is not None
    assert (stored.fhir_user, stored.roles) == (person, ("DR",))
    again = hospital.call(f"{person}/$create-account", **given | {"user_name": "dora-2"})
    assert (again.status_code, rules(again)) == (409, {"W18.has-account"})
    taken = hospital.call(f"{hospital.person()}/$create-account", **given)
    assert (taken.status_code, rules(taken)) == (409, {"W18.name-taken"})
    nobody = hospital.call("Practitioner/nobody/$create-account", **given)
    assert nobody.status_code == 404


def test_of_many_at_once_one_account_is_made(hospital: Hospital) -> None:
    """A person has one, whatever the names."""
    person = hospital.person()

    def make(number: int) -> int:
        made = hospital.call(f"{person}/$create-account", role="DR", user_name=f"{person}-{number}")
        return made.status_code

    with ThreadPoolExecutor(5) as pool:
        assert sorted(pool.map(make, range(5))) == [200, 409, 409, 409, 409]


@pytest.mark.parametrize(
    ("kind", "roles", "status"),
    [
        ("Practitioner", ["DR", "AD"], 200),
        ("Practitioner", ["PT"], 422),
        ("Practitioner", ["KING"], 422),
        ("Practitioner", [], 400),
        ("Patient", ["PT"], 200),
        ("Patient", ["DR"], 422),
    ],
)
def test_roles_are_those_of_the_person(hospital: Hospital, kind: str, roles: list[str], status: int) -> None:
    """Patients are PT, and staff have the other roles."""
    answer = hospital.call(f"{hospital.person(kind)}/$create-account", role=roles, user_name=uuid.uuid4().hex)
    assert answer.status_code == status
    assert ("W18.role" in rules(answer)) is (status == 422)


async def _grant(store: Store, account_id: str) -> str:
    """Grant an application something for a person; return the hash of its access token."""
    now = datetime.now(UTC)
    later, grant, token = now + timedelta(hours=1), uuid.uuid4().hex, uuid.uuid4().hex
    context = LaunchContext()
    made = Grant(grant, "app", account_id, "Practitioner/x", ("user/*.rs",), context, now, later)
    await store.oauth.grants.add(made)
    access = AccessToken(
        token, token, grant, "app", account_id, "Practitioner/x", ("user/*.rs",), None, None, now, later
    )
    assert await store.oauth.grants.issue(access, None, later)
    return token


@pytest.mark.workflow("3-18", "4-30")
def test_other_roles_end_all_tokens(hospital: Hospital) -> None:
    """Also those that were issued before; and so does the end of the account."""
    person = hospital.person()
    account = hospital.account(person, "DR")
    changes: list[tuple[str, Any]] = [("set-roles", {"role": ["PH"]}), ("deactivate", {})]
    for call, given in changes:
        token = hospital.stored(lambda store: _grant(store, account))
        assert hospital.is_good(token)
        answer = hospital.call(f"{person}/${call}", **given)
        assert answer.status_code == 200, answer.text
        assert told(answer)["role"] == "PH"
        assert not hospital.is_good(token)
    assert told(hospital.call(f"{person}/$account"))["active"] is False
    assert hospital.admin.get(f"/{person}").json()["active"] is False
    assert told(hospital.call(f"{person}/$activate"))["active"] is True
    assert hospital.admin.get(f"/{person}").json()["active"] is True
    none = hospital.call(f"{hospital.person()}/$set-roles", role="DR")
    assert (none.status_code, rules(none)) == (404, {"W18.no-account"})


@pytest.mark.workflow("3-04", "3-12", "4-30")
def test_nobody_else_administers_users(hospital: Hospital) -> None:
    """Nobody of another role, and no administrator their own account."""
    person = hospital.person()
    hospital.account(person, "DR")
    for role in ROLES:
        caller = hospital.caller(role, person.split("/")[1])
        expected = 200 if role == "AD" else 403
        assert hospital.call(f"{person}/$account", caller).status_code == expected
        assert caller.get("/Practitioner/$accounts").status_code == expected
        if role != "AD":
            assert hospital.call(f"{person}/$set-roles", caller, role="AD").status_code == 403
            assert hospital.call(f"{person}/$deactivate", caller).status_code == 403
            assert (
                hospital.call(f"{person}/$create-account", caller, role="AD", user_name="x").status_code
                == 403
            )
    ada = hospital.person()
    account = hospital.account(ada, "AD")
    own, other = hospital.caller("AD", account), hospital.caller("AD", ada.split("/")[1])
    for refused in (
        hospital.call(f"{ada}/$set-roles", other, role=["AD", "DR"]),
        hospital.call(f"{ada}/$set-roles", own, role=["AD", "DR"]),
        hospital.call(f"{ada}/$deactivate", own),
    ):
        assert (refused.status_code, rules(refused)) == (403, {"W18.own-account"})
    listed = hospital.admin.get("/Practitioner/$accounts").json()["parameter"]
    assert account in {part["valueId"] for one in listed for part in one["part"] if part["name"] == "account"}


@pytest.mark.workflow("4-30")
def test_there_is_an_administrator_at_any_time(hospital: Hospital) -> None:
    """Of administrators who remove each other at the same moment one stays."""
    people = [hospital.person() for _ in range(3)]
    accounts = [hospital.account(one, "AD") for one in people]

    async def alone(store: Store) -> None:
        for one in await store.accounts.all():
            if "AD" in one.roles and one.id not in accounts and one.is_active:
                await store.accounts.change(one.id, is_active=False)

    hospital.stored(alone)
    try:
        with ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(lambda one: hospital.call(f"{one}/$set-roles", role="DR"), people))
        assert sorted(one.status_code for one in answers) == [200, 200, 409]
        (refused,) = [one for one in answers if one.status_code == 409]
        assert rules(refused) == {"W18.last-administrator"}
    finally:
        hospital.stored(lambda store: store.accounts.change("root", is_active=True))


@pytest.mark.workflow("0-06", "0-26", "3-17")
def test_what_administrators_do_is_on_record(hospital: Hospital) -> None:
    """With who it was, found by the agent; no password or link is in it, and nobody changes it."""
    person = hospital.person()
    answer = hospital.call(f"{person}/$create-account", role="DR", user_name=uuid.uuid4().hex)
    secret = told(answer)["link"].rsplit("/", 1)[1]
    auditor = hospital.caller("AU", "auditor")
    asked = {"agent": "Practitioner/root", "subtype": "account-change", "_count": "100", "_sort": "-date"}
    found = auditor.get("/AuditEvent", params=asked)
    assert found.status_code == 200, found.text
    events = [one["resource"] for one in found.json()["entry"]]
    account = told(answer)["account"]
    (event,) = [one for one in events if account in one["entity"][0].get("description", "")]
    assert secret not in found.text
    assert secret not in hospital.admin.get(f"/{person}").text
    assert hospital.admin.put(f"/AuditEvent/{event['id']}", json=event).status_code == 405
    assert hospital.admin.delete(f"/AuditEvent/{event['id']}").status_code == 405


@pytest.mark.workflow("0-04", "3-43")
def test_who_is_referred_to_is_not_deleted(settings: Settings) -> None:
    """Neither a patient nor somebody of the staff, by any way; who was never referred to is."""
    with running_server(settings) as url, httpx.Client(base_url=url, timeout=30) as client:
        client.headers["content-type"] = FHIR_JSON

        def put(resource_type: str, **more: Any) -> str:
            made = {"resourceType": resource_type, "id": uuid.uuid4().hex, **more}
            answer = client.put(f"/{resource_type}/{made['id']}", json=made)
            assert answer.status_code == 201, answer.text
            return f"{resource_type}/{made['id']}"

        doctor, patient = (
            put("Practitioner"),
            put("Patient", name=[{"family": "Doe"}], birthDate="1980-01-01"),
        )
        role = put("PractitionerRole", practitioner={"reference": doctor})
        put("Schedule", actor=[{"reference": role}])
        put("Condition", subject={"reference": patient}, code={"text": "x"})
        for reference in (doctor, patient, role):
            entry = {"request": {"method": "DELETE", "url": reference}}
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
            for refused in (client.delete(f"/{reference}"), client.post("", json=bundle)):
                assert (refused.status_code, rules(refused)) == (409, {"W18.referenced"})
            assert client.get(f"/{reference}").status_code == 200
        cared = put("Practitioner")
        put(
            "Patient",
            name=[{"family": "D"}],
            birthDate="1980-01-01",
            generalPractitioner=[{"reference": cared}],
        )
        assert rules(client.delete(f"/{cared}")) == {"W18.referenced"}
        for resource_type in ("Practitioner", "PractitionerRole"):
            assert client.delete(f"/{put(resource_type)}").status_code == 204
        assert (
            client.delete(f"/{put('Patient', name=[{'family': 'E'}], birthDate='1980-01-01')}").status_code
            == 204
        )


@pytest.mark.workflow("3-43")
def test_who_is_made_inactive_signs_in_no_more(hospital: Hospital) -> None:
    """By a plain change of the record too, a moment later."""
    person = hospital.person()
    account = hospital.account(person, "DR")
    record = hospital.admin.get(f"/{person}").json()
    assert hospital.admin.put(f"/{person}", json={**record, "active": False}).status_code == 200
    deadline = datetime.now(UTC) + timedelta(seconds=30)
    while datetime.now(UTC) < deadline:
        stored = hospital.stored(lambda store: store.accounts.get(account))
        if stored is not None and not stored.is_active:
            return
    pytest.fail("the account is open still")


@pytest.mark.workflow("3-42", "3-12")
def test_an_administrator_counts_everything_at_once(hospital: Hospital) -> None:
    """One batch of `_summary=count` tells how many there are of each."""
    hospital.person()
    types = ("Patient", "Practitioner", "Appointment")
    entries = [{"request": {"method": "GET", "url": f"{one}?_summary=count"}} for one in types]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    answer = hospital.admin.post("", json=bundle).json()
    totals = [one["resource"]["total"] for one in answer["entry"]]
    assert len(totals) == 3
    assert totals[1] > 0
