"""Pages over HTTP, while other clients write. https://hl7.org/fhir/R4/http.html#paging"""

import asyncio
import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.search.page_links import KEY_NAME, PageLink, Place, new_key, opened, sealed
from fhir_server.settings import Settings
from fhir_server.store import open_store
from tests.fhir_server.search.searching import FORM, Resource, ids, links, matches, page, store

STAYING = 40
WRITERS = 3
# So that a walk in the order of changes comes to an end.
WRITES_EACH = 120


def _patient(name: str, number: int, **more: Any) -> Resource:
    """Return a patient who has, depending on the number, two names, no birth date, no gender."""
    families = [f"Family{number % 7}", f"Another{number % 5}"][: 1 + number % 2]
    patient = {"resourceType": "Patient", "id": f"{name}{number}", **more}
    if number % 6:
        patient["name"] = [{"family": family} for family in families]
    if number % 3:
        patient["birthDate"] = f"{1950 + number % 11}-01-01"
    if number % 4:
        patient["gender"] = ("male", "female")[number % 2]
    return patient


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    # In between the others, so that what is deleted and created is on all pages.
    both = [(_patient("stays", n), _patient("goes", n)) for n in range(STAYING)]
    store(client, [patient for pair in both for patient in pair])


@contextmanager
def _others_writing(base_url: str, *, may_update: bool, may_move: bool = False) -> Iterator[list[str]]:
    """Let other clients create, delete and, if they may, update until the block ends.

    Updates change nothing that is searched or sorted by, unless they `may_move` resources. Gives what went
    wrong.
    """
    done = threading.Event()
    failures: list[str] = []

    def write(seed: int) -> None:
        chance = Random(seed)
        with httpx.Client(base_url=base_url, timeout=30) as other:
            for turn in range(WRITES_EACH):
                if done.is_set():
                    return
                number = chance.randrange(STAYING)
                if may_update and turn % 3 == 0:
                    values = chance.randrange(STAYING) if may_move else number
                    body = _patient("stays", values) | {"id": f"stays{number}"}
                    body["language"] = chance.choice(("de", "fr", "en"))
                    answer = other.put(f"/Patient/stays{number}", json=body)
                elif turn % 3 == 1:
                    answer = other.delete(f"/Patient/goes{number}")
                else:
                    answer = other.put(f"/Patient/goes{number}", json=_patient("goes", number))
                if answer.status_code >= 300:
                    failures.append(answer.text)

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(WRITERS)]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        done.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("count", [3, 25])
@pytest.mark.parametrize(
    "search",
    [
        "Patient?",
        "Patient?gender=male,female",
        "Patient?birthdate=ge1955&gender:not=male",
        "Patient?_sort=birthdate",
        "Patient?_sort=-birthdate",
        "Patient?_sort=family",
        "Patient?_sort=-family",
        "Patient?_sort=gender,-birthdate",
        "Patient?_sort=-family,gender,_id",
        "Patient?_sort=-_id",
        "Patient?_sort=_lastUpdated",
        "Patient?_sort=-_lastUpdated",
    ],
)
@pytest.mark.feature("http.paging.snapshot", "http.paging.links")
def test_what_stays_is_on_exactly_one_page(
    client: httpx.Client, base_url: str, search: str, count: int
) -> None:
    """Whatever comes and goes, nobody who is there all the time is skipped, repeated or out of order."""
    before = [found for found in ids(client, f"{search}&_count=1000") if found.startswith("stays")]
    assert len(before) == STAYING or "birthdate=" in search or "gender=" in search
    with _others_writing(base_url, may_update="_lastUpdated" not in search) as failures:
        walked = ids(client, f"{search}&_count={count}")
    assert not failures
    assert [found for found in walked if found.startswith("stays")] == before


@pytest.mark.parametrize("sort", ["birthdate", "-family", "gender,-birthdate", "-_lastUpdated"])
@pytest.mark.feature("http.paging.snapshot")
def test_what_moves_is_on_exactly_one_page(client: httpx.Client, base_url: str, sort: str) -> None:
    """Who is there all the time is found once, also if what is sorted by changes between the pages."""
    with _others_writing(base_url, may_update=True, may_move=True) as failures:
        walked = ids(client, f"Patient?_count=3&_sort={sort}")
    assert not failures
    assert sorted(found for found in walked if found.startswith("stays")) == sorted(
        f"stays{number}" for number in range(STAYING)
    )


def _made(client: httpx.Client, search: str = "Patient?_sort=birthdate&_count=3") -> str:
    """Return the page link of a search, as it stands in the address."""
    return links(page(client, search))["next"].rpartition("_page=")[2]


def _other_key() -> str:
    now = datetime.now(UTC)
    return sealed(PageLink(("Patient",), (), now, Place()), new_key(), now)


@pytest.mark.parametrize(
    "link",
    [
        "x",
        "%21%21",
        "%C3%A9",
        "AAAA",
        "gAAAAA",
        "A" * 32,
        "A" * 40,
        "WzEsbnVsbF0",
        "A" * 250_000,
        _other_key(),
    ],
    ids=lambda text: text[:5],
)
@pytest.mark.feature("http.paging.link.tamper-proof")
def test_a_link_that_this_server_did_not_make_is_refused(client: httpx.Client, link: str) -> None:
    """400, with nothing of the link in the answer."""
    answer = client.post("/Patient/_search", data={"_page": unquote(link)}, headers=FORM)
    assert answer.status_code == 400, answer.text
    assert "page link" in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.feature("http.paging.link.tamper-proof")
def test_a_link_with_any_letter_changed_is_refused(client: httpx.Client) -> None:
    """A link is signed as a whole, the bits of base64 that say nothing included."""
    made = _made(client)
    for place in [*range(0, len(made), 17), len(made) - 1]:
        other = "B" if made[place] == "A" else "A"
        answer = client.get(f"/Patient?_page={made[:place]}{other}{made[place + 1 :]}")
        assert answer.status_code == 400, place
    assert client.get(f"/Patient?_page={made[:-1]}").status_code == 400
    assert client.get(f"/Patient?_page={made}A").status_code == 400
    assert client.get(f"/Patient?_page={made}").status_code == 200


def test_a_long_search_has_a_short_link(client: httpx.Client) -> None:
    """Many values are compressed, so that the address of the next page is not too long for proxies."""
    values = ",".join(f"stays{n}" for n in range(900))
    made = _made(client, f"Patient?_id={values}&_count=3")
    assert len(made) < len(values) // 2
    assert client.get(f"/Patient?_page={made}").status_code == 200


def test_a_link_belongs_to_one_address_and_stands_alone(client: httpx.Client) -> None:
    """It is the whole search: nothing can be added, and elsewhere it means nothing."""
    made = _made(client)
    for address in (f"/Observation?_page={made}", f"/?_page={made}", f"/Patient/1/Patient?_page={made}"):
        assert "another address" in client.get(address).json()["issue"][0]["diagnostics"]
    answer = client.get(f"/Patient?_page={made}&gender=male")
    assert answer.status_code == 400
    assert "alone" in answer.json()["issue"][0]["diagnostics"]
    assert client.get(f"/Patient?_page={made}&_pretty=true").status_code == 200


def test_a_link_says_nothing_of_any_patient(client: httpx.Client) -> None:
    """Addresses end up in logs; what was searched and sorted by is encrypted."""
    made = unquote(_made(client, "Patient?family=Family1&_sort=family&_count=1"))
    packed = base64.urlsafe_b64decode(made + "=" * (-len(made) % 4))
    assert b"amily" not in packed
    assert len({_made(client) for _ in range(3)}) == 3


@pytest.fixture(scope="module")
def key(client: httpx.Client, settings: Settings) -> str:
    """The key of the server's page links."""
    _made(client)
    with MongoClient[dict[str, Any]](settings.mongo_url) as mongo:
        found = mongo[settings.database]["keys"].find_one({"_id": KEY_NAME})
        assert found is not None
        return str(found["key"])


@pytest.mark.feature("http.paging.link.expiry")
@pytest.mark.parametrize(("age", "status"), [(0, 200), (3_500, 200), (3_700, 410), (400_000_000, 410)])
def test_a_link_is_good_for_a_time(client: httpx.Client, key: str, age: int, status: int) -> None:
    """Followed too late it is gone, which is said in a way that a client can act on."""
    now = datetime.now(UTC)
    link = sealed(PageLink(("Patient",), (), now, Place()), key, now - timedelta(seconds=age))
    answer = client.get(f"/Patient?_page={link}")
    assert answer.status_code == status
    assert status == 200 or "make the search anew" in answer.json()["issue"][0]["diagnostics"]


def test_all_processes_have_one_key(settings: Settings) -> None:
    """Whoever comes first makes it, also if ten come at once."""

    async def keys() -> set[str]:
        assert settings.mongo_url is not None
        stores = [open_store(settings, settings.mongo_url) for _ in range(10)]
        found = await asyncio.gather(*(one.shared_key("race", f"key{n}") for n, one in enumerate(stores)))
        for one in stores:
            await one.close()
        return set(found)

    assert len(asyncio.run(keys())) == 1


SORTS = ["", "birthdate", "-birthdate", "family", "-family", "gender,-birthdate", "-gender,family", "-_id"]


@pytest.mark.feature("http.paging.snapshot")
@pytest.mark.parametrize("sort", SORTS)
def test_the_pages_of_a_search_are_of_one_moment(client: httpx.Client, sort: str) -> None:
    """What is created, changed, moved or deleted after the first page changes nothing on the others."""
    store(client, [_patient("snap", n, language="fr") for n in range(12)])
    search = f"Patient?_id={','.join(f'snap{n}' for n in range(14))}" + (f"&_sort={sort}" if sort else "")
    expected = [patient["id"] for patient in matches(page(client, f"{search}&_count=50"))]
    bundle = page(client, f"{search}&_count=3&_total=accurate")
    store(client, [_patient("snap", n) for n in (12, 13)])
    store(client, [{"resourceType": "Patient", "id": f"snap{n}", "language": "de"} for n in (0, 3, 5, 7)])
    for number in (2, 8, 9):
        assert client.delete(f"/Patient/snap{number}").status_code == 204
    found = matches(bundle)
    while "next" in links(bundle):
        bundle = client.get(links(bundle)["next"]).json()
        assert bundle["total"] == 12
        found += matches(bundle)
    assert [patient["id"] for patient in found] == expected
    assert {patient["language"] for patient in found} == {"fr"}
    for number in range(14):
        client.delete(f"/Patient/snap{number}")


def test_past_the_time_that_the_database_keeps_a_search_goes_on(client: httpx.Client, key: str) -> None:
    """A moment that MongoDB does not know is replaced by the present; the position stays."""
    now = datetime.now(UTC)
    made = opened(_made(client, "Patient?_sort=_id&_count=3"), ("Patient",), key, now, 60)
    for moment in (1 << 32, (int(now.timestamp()) - 90_000) << 32, (int(now.timestamp()) + 90_000) << 32):
        old = replace(made, place=replace(made.place, moment=moment))
        bundle = client.get(f"/Patient?_page={sealed(old, key, now)}").raise_for_status().json()
        expected = ids(client, "Patient?_sort=_id&_count=1000")
        assert [patient["id"] for patient in matches(bundle)] == expected[3:6]


@pytest.mark.feature("http.paging.links")
@pytest.mark.parametrize("size", [7, 20])
@pytest.mark.parametrize("sort", [*SORTS, "-family,birthdate"])
def test_the_way_back(client: httpx.Client, sort: str, size: int) -> None:
    """From each page "previous" leads to the one before, from the last one to the first."""
    search = f"Patient?_count={size}" + (f"&_sort={sort}" if sort else "")
    bundles = [page(client, search)]
    while "next" in links(bundles[-1]):
        bundles.append(client.get(links(bundles[-1])["next"]).json())
    assert "previous" not in links(bundles[0])
    for before, after in pairwise(bundles):
        back = client.get(links(after)["previous"]).json()
        assert back["entry"] == before["entry"]
        assert client.get(links(back)["next"]).json()["entry"] == after["entry"]
        assert ("previous" in links(back)) == ("previous" in links(before))
    first = client.get(links(bundles[-1])["first"]).json()
    assert first["entry"] == bundles[0]["entry"]
    assert "previous" not in links(first)
    everything = [entry["fullUrl"] for bundle in bundles for entry in bundle["entry"]]
    last = client.get(links(first)["last"]).json()
    assert "next" not in links(last)
    walked: list[str] = []
    while True:
        walked = [entry["fullUrl"] for entry in last["entry"]] + walked
        if "previous" not in links(last):
            break
        last = client.get(links(last)["previous"]).json()
    assert walked == everything


def test_the_form_of_the_answer_goes_along(client: httpx.Client) -> None:
    """`_format` and `_pretty` stand in the links to other pages, as the page link does not hold them."""
    bundle = client.get("/Patient?_count=3&_format=json&_pretty=true").json()
    assert links(bundle)["next"].endswith("&_format=json&_pretty=true")
    assert client.get(links(bundle)["next"]).text.startswith("{\n")


def test_a_posted_search_goes_on_by_get(client: httpx.Client) -> None:
    """https://hl7.org/fhir/R4/search.html#Introduction: the links of a posted search are plain URLs."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    form = {"_sort": "-_id", "_count": "2", "gender": "male,female"}
    first = client.post("/Patient/_search", data=form, headers=headers).json()
    second = client.get(links(first)["next"]).json()
    everything = ids(client, "Patient?_sort=-_id&gender=male,female&_count=1000")
    assert [patient["id"] for patient in (*matches(first), *matches(second))] == everything[:4]
