"""Pages over HTTP, while other clients write. https://hl7.org/fhir/R4/http.html#paging"""

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import httpx
import orjson
import pytest

from tests.fhir_server.search.searching import Resource, ids, links, matches, page, store

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
def _others_writing(base_url: str, *, may_update: bool) -> Iterator[list[str]]:
    """Let other clients create, delete and, if they may, update until the block ends.

    Updates change nothing that is searched or sorted by. Gives what went wrong.
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
                    body = _patient("stays", number, language=chance.choice(("de", "fr", "en")))
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


def _link(parts: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


@pytest.mark.parametrize(
    "position",
    [
        "x",
        "%21%21",
        "%C3%A9",
        "AAAA",
        _link([]),
        _link({}),
        _link("text"),
        _link(1),
        _link([1]),
        _link([1, None, None]),
        _link(["1", None]),
        _link([1.5, None]),
        _link([True, None]),
        _link([2**63, None]),
        _link([1, 2**63]),
        _link([1, False]),
        _link([1, 1.5]),
        _link([1, {"ms": "x"}]),
        _link([1, {"ms": 2**62}]),
        _link([1, {"n": "NaN"}]),
        _link([1, {"n": "Infinity"}]),
        _link([1, {"n": "1e99999"}]),
        _link([1, {"n": "1" * 35}]),
        _link([1, {"$gt": ""}]),
        _link([1, ["x"]]),
        "A" * 20_000,
    ],
    ids=lambda text: text[:24],
)
def test_a_link_that_this_server_did_not_make_is_refused(client: httpx.Client, position: str) -> None:
    """400, with nothing of the link in the answer."""
    answer = client.get(f"/Patient?_sort=birthdate&_page={position}")
    assert answer.status_code == 400, answer.text
    assert "page link" in answer.json()["issue"][0]["diagnostics"]


def test_a_link_of_another_search_is_refused_or_harmless(client: httpx.Client) -> None:
    """With another number of sort keys it does not fit; with other keys it is just another place."""
    made = links(page(client, "Patient?_sort=birthdate&_count=3"))["next"].rpartition("_page=")[2]
    assert client.get(f"/Patient?_page={made}").status_code == 400
    assert client.get(f"/Patient?_sort=family,gender&_page={made}").status_code == 400
    assert client.get(f"/Patient?_sort=family&_page={made}").status_code == 200


def test_a_posted_search_goes_on_by_get(client: httpx.Client) -> None:
    """https://hl7.org/fhir/R4/search.html#Introduction: the links of a posted search are plain URLs."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    form = {"_sort": "-_id", "_count": "2", "gender": "male,female"}
    first = client.post("/Patient/_search", data=form, headers=headers).json()
    second = client.get(links(first)["next"]).json()
    everything = ids(client, "Patient?_sort=-_id&gender=male,female&_count=1000")
    assert [patient["id"] for patient in (*matches(first), *matches(second))] == everything[:4]
