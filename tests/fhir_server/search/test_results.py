"""Which of the matches come, in what order, and what is said of them.

https://hl7.org/fhir/R4/search.html#return
"""

import httpx
import pytest

from tests.fhir_server.search.searching import Resource, ids, links, matches, page, store


def _patient(resource_id: str, **elements: object) -> Resource:
    return {"resourceType": "Patient", "id": resource_id, **elements}


PATIENTS = [
    _patient("none"),
    _patient("b", name=[{"family": "Bee"}], birthDate="1980-01-01", gender="male", active=True),
    _patient("a", name=[{"family": "ant"}], birthDate="1990-01-01", gender="female"),
    _patient("d", name=[{"family": "Dog"}, {"family": "Cow"}], birthDate="1980", gender="male"),
    _patient("c", name=[{"family": "Élan"}, {"family": "aardvark"}], birthDate="1985-05", gender="female"),
    _patient("only-gender", gender="male"),
]

OBSERVATIONS = [
    {
        "resourceType": "Observation",
        "id": f"v{value}",
        "status": "final",
        "code": {"text": "x"},
        "valueQuantity": {"value": value, "unit": "mg"},
    }
    for value in (10, 9.5, -3, 100)
]


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    store(client, [*PATIENTS, *OBSERVATIONS])


@pytest.mark.feature("search.result._sort")
@pytest.mark.parametrize("count", ["", "&_count=1", "&_count=2", "&_count=4"])
@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("_id", "a b c d none only-gender"),
        ("-_id", "only-gender none d c b a"),
        ("_lastUpdated,_id", "a b c d none only-gender"),
        # resources without a value are last, whatever the direction; ties come in the order of creation, or
        # in the other one if the order descends
        ("birthdate", "b d c a none only-gender"),
        ("-birthdate", "a c d b only-gender none"),
        ("gender", "a c b d only-gender none"),
        ("-gender", "only-gender d b c a none"),
        # without regard to case and accents; of several values the one that comes first in the order
        ("family", "c a b d none only-gender"),
        ("-family", "c d b a only-gender none"),
        ("gender,family", "c a b d only-gender none"),
        ("gender,-family", "c a d b only-gender none"),
        ("-gender,birthdate,-_id", "d b only-gender c a none"),
        ("active,-birthdate", "b a c d none only-gender"),
        ("gender,birthdate,family,_id", "c a b d only-gender none"),
    ],
)
def test_sort(client: httpx.Client, order: str, expected: str, count: str) -> None:
    """https://hl7.org/fhir/R4/search.html#sort, on one page and on several."""
    assert " ".join(ids(client, f"Patient?_sort={order}{count}")) == expected


@pytest.mark.parametrize(
    ("order", "expected"), [("value-quantity", "v-3 v9.5 v10 v100"), ("-value-quantity", "v100 v10 v9.5 v-3")]
)
@pytest.mark.feature("search.result._sort")
def test_numbers_are_in_the_order_of_numbers(client: httpx.Client, order: str, expected: str) -> None:
    """10 comes after 9.5."""
    assert " ".join(ids(client, f"Observation?_sort={order}&_count=2")) == expected


def test_sort_may_repeat(client: httpx.Client) -> None:
    """https://hl7.org/fhir/R4/search.html#table: _sort "can repeat for inner sort orders"."""
    assert ids(client, "Patient?_sort=gender&_sort=-family") == ids(client, "Patient?_sort=gender,-family")


def test_without_an_order_the_oldest_come_first(client: httpx.Client) -> None:
    """The order is that of creation; an update does not change it."""
    order = [patient["id"] for patient in PATIENTS]
    assert ids(client, "Patient?_count=2") == order
    client.put("/Patient/none", json=_patient("none", language="de"))
    assert ids(client, "Patient?_count=2") == order


def test_an_order_by_search_terms_that_are_sorted_by_too(client: httpx.Client) -> None:
    """Filter and order may be about the same parameter, and all values count for the order."""
    assert " ".join(ids(client, "Patient?family=a,b,d&_sort=-family&_count=1")) == "c d b a"
    assert " ".join(ids(client, "Patient?birthdate=ge1981&_sort=-birthdate&_count=1")) == "a c"


@pytest.mark.feature("search.result._count")
@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 7])
@pytest.mark.feature("http.search.get")
def test_count_is_the_size_of_a_page(client: httpx.Client, count: int) -> None:
    """https://hl7.org/fhir/R4/search.html#count: "SHALL NOT return more resources than requested"."""
    bundle = page(client, f"Patient?_count={count}")
    assert len(matches(bundle)) == min(count, 6)
    assert ("next" in links(bundle)) == (count < 6)
    assert f"_count={count}" in links(bundle)["self"]


def test_a_larger_count_than_the_server_grants(client: httpx.Client) -> None:
    """A page holds as much as the server grants; that is no error."""
    assert len(matches(page(client, "Patient?_count=999999999"))) == 6


@pytest.mark.feature("search.result._count")
@pytest.mark.feature("search.result._summary")
@pytest.mark.parametrize(
    "ask", ["_summary=count", "_count=0", "_summary=count&_count=5", "_count=0&_sort=family"]
)
def test_only_the_number_of_matches(client: httpx.Client, ask: str) -> None:
    """https://hl7.org/fhir/R4/search.html#count: a total, "no entries, and no prev/next/last links"."""
    bundle = page(client, f"Patient?gender=male&{ask}")
    assert bundle["total"] == 3
    assert "entry" not in bundle
    assert list(links(bundle)) == ["self"]


def test_the_number_of_all_resources_of_a_type(client: httpx.Client) -> None:
    """No criteria at all is a search for everything."""
    assert page(client, "Patient?_summary=count")["total"] == 6
    assert page(client, "Basic?_summary=count")["total"] == 0


@pytest.mark.feature("search.result._total")
@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        ("_count=2&_total=accurate", 3),
        ("_count=2&_total=estimate", 3),
        ("_count=2&_total=none", None),
        ("_count=5&_total=none", None),
        ("_count=2", None),
        # all are on the page: the number is known
        ("_count=5", 3),
    ],
)
def test_total(client: httpx.Client, ask: str, expected: int | None) -> None:
    """https://hl7.org/fhir/R4/search.html#total."""
    assert page(client, f"Patient?gender=male&{ask}").get("total") == expected


def test_total_is_of_all_pages(client: httpx.Client) -> None:
    """`Bundle.total` is "the total number of matches, not how many are returned in a single Bundle"."""
    bundle = page(client, "Patient?_count=4&_total=accurate")
    second = client.get(links(bundle)["next"]).json()
    assert (bundle["total"], second["total"]) == (6, 6)
    assert len(matches(second)) == 2


@pytest.mark.feature("search.result.entries")
@pytest.mark.feature("http.search.get")
def test_an_entry_says_where_the_resource_is_and_that_it_matches(client: httpx.Client, base_url: str) -> None:
    """https://hl7.org/fhir/R4/bundle.html#searchset."""
    [entry] = page(client, "Patient?_id=b")["entry"]
    assert entry["fullUrl"] == f"{base_url}/Patient/b"
    assert entry["search"] == {"mode": "match"}
    assert entry["resource"] == client.get("/Patient/b").json()


@pytest.mark.feature("search.result.self")
@pytest.mark.parametrize(
    ("search", "self_link"),
    [
        ("Patient", "Patient"),
        ("Patient?gender=male&_sort=-family&_count=3", "Patient?gender=male&_sort=-family&_count=3"),
        ("Patient?_format=json&_pretty=true&gender=male", "Patient?gender=male"),
        ("Patient?identifier=http://a.org/x|1,2", "Patient?identifier=http://a.org/x|1,2"),
    ],
)
def test_the_self_link_has_what_was_used(
    client: httpx.Client, base_url: str, search: str, self_link: str
) -> None:
    """https://hl7.org/fhir/R4/search.html#conformance: "return the parameters that were actually used"."""
    answer = client.get(f"/{search}").json()
    assert links(answer)["self"] == f"{base_url}/{self_link}"


@pytest.mark.parametrize("value", ["a&b=c", "50%", "a+b", "a b", "é", "#x", r"a\,b", "?", "/../", '"'])
def test_links_survive_any_value(client: httpx.Client, value: str) -> None:
    """The self link, asked for, is the same search; a page link goes on with it."""
    names = [{"family": f"{value}-suffix"}]
    stored = [
        _patient(f"l{n}", name=names, telecom=[{"system": "other", "value": value}], birthDate="1900")
        for n in range(3)
    ]
    store(client, stored)
    escaped = value.replace("\\", "\\\\").replace(",", r"\,").replace("|", r"\|").replace("$", r"\$")
    answer = client.get("/Patient", params={"telecom": escaped, "_count": "2", "birthdate": "1900"})
    assert [patient["id"] for patient in matches(answer.json())] == ["l0", "l1"]
    again = client.get(links(answer.json())["self"])
    assert again.json()["entry"] == answer.json()["entry"]
    rest = client.get(links(answer.json())["next"])
    assert [patient["id"] for patient in matches(rest.json())] == ["l2"]
    for patient in stored:
        client.delete(f"/Patient/{patient['id']}")


def test_the_self_link_of_a_later_page_is_that_page(client: httpx.Client) -> None:
    """A self link leads to the bundle that it stands in."""
    first = page(client, "Patient?_sort=birthdate&_count=2")
    second = client.get(links(first)["next"]).json()
    again = client.get(links(second)["self"]).json()
    assert (again["entry"], links(again)["self"]) == (second["entry"], links(second)["self"])
