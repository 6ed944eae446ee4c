"""Patience with servers, and telling what they refuse (https://hl7.org/fhir/R4/http.html#transaction-response)."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.loader.documents import submissions
from fhir_server.loader.items import Item, gather
from fhir_server.loader.submission import Failure, Submission

if TYPE_CHECKING:
    from tests.fhir_server.loader.conftest import FakeServer, Load

REQUEST = httpx.Request("POST", "http://fhir.example/fhir")


def batch(*ids: str) -> Submission:
    """Return a batch of Patients with `ids`."""
    raw = [json.dumps({"resourceType": "Patient", "id": name}).encode() for name in ids]
    return gather("file", [Item("", "Patient", name, one) for name, one in zip(ids, raw, strict=True)])


def posting() -> Submission | Failure:
    """Return a transaction that must not be sent twice."""
    entry = {"resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    return next(submissions("posting.json", json.dumps(bundle).encode()))


def busy(status: int, retry_after: str | None = None) -> httpx.Response:
    """Return the answer of a server that is busy."""
    return httpx.Response(status, headers={"Retry-After": retry_after} if retry_after else {})


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again(server: "FakeServer", load_waves: "Load", status: int) -> None:
    """429 and 503 mean later; the wait doubles each time."""
    server.faults = [busy(status)] * 3
    loaded = load_waves([[batch("1")]])
    assert (loaded.failures, loaded.report.saved) == ([], 1)
    assert loaded.waits == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [("7", 7.0), ("0.25", 0.25), ("9999", 30.0), ("soon", 0.5), ("-5", 0.5)],
)
def test_retry_after_is_heeded(
    server: "FakeServer", load_waves: "Load", retry_after: str, expected: float
) -> None:
    """https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3: seconds to wait; half a minute at most."""
    server.faults = [busy(503, retry_after)]
    assert load_waves([[batch("1")]]).waits == [expected]


def test_retry_after_may_be_a_date(server: "FakeServer", load_waves: "Load") -> None:
    """The header may also hold the time to come again."""
    server.faults = [busy(503, format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True))]
    (wait,) = load_waves([[batch("1")]]).waits
    assert 10 < wait <= 20


def test_patience_ends(server: "FakeServer", load_waves: "Load") -> None:
    """A server that stays busy is given up on, with its reason."""
    server.faults = [busy(503)] * 4
    loaded = load_waves([[batch("1", "2")]])
    assert len(server.requests) == 4
    assert loaded.failures == [Failure("file", "all 2 entries", "HTTP 503")]
    assert loaded.report.failures == 1
    assert loaded.report.refused == {"Patient": 2}


@pytest.mark.parametrize(
    ("fault", "source", "saved"),
    [
        (httpx.ConnectError("refused"), "repeatable", 1),
        (httpx.ReadError("reset"), "repeatable", 1),
        (httpx.RemoteProtocolError("gone"), "repeatable", 1),
        (httpx.ReadTimeout("slow"), "repeatable", 1),
        (httpx.ConnectError("refused"), "posting", 1),
        (httpx.ConnectTimeout("slow"), "posting", 1),
        (httpx.ReadError("reset"), "posting", 0),
        (httpx.RemoteProtocolError("gone"), "posting", 0),
    ],
)
def test_lost_connections(
    server: "FakeServer", load_waves: "Load", fault: httpx.RequestError, source: str, saved: int
) -> None:
    """What may have been saved is sent again only if that adds nothing; what never arrived always is."""
    server.faults = [fault]
    loaded = load_waves([[batch("1") if source == "repeatable" else posting()]])
    assert loaded.report.saved == saved
    assert len(loaded.failures) == 1 - saved
    assert all("may have been saved" in failure.reason for failure in loaded.failures)


def test_a_server_that_never_answers_is_a_failure(server: "FakeServer", load_waves: "Load") -> None:
    """No connection at all ends in a failure with the reason, after a bounded number of attempts."""
    server.faults = [httpx.ConnectError("connection refused")] * 4
    loaded = load_waves([[posting()]])
    assert [failure.reason for failure in loaded.failures] == [
        "No answer from the server (connection refused)"
    ]


def test_a_server_that_is_away_is_not_waited_for_again(server: "FakeServer", load_waves: "Load") -> None:
    """After one wait in vain each request is tried once, until the server is back."""
    server.faults = [httpx.ConnectError("refused")] * 5
    loaded = load_waves([[batch("1"), batch("2"), batch("3")]], concurrency=1)
    assert len(server.requests) == 4 + 1 + 1
    assert loaded.report.created == {"Patient": 1}
    server.faults = [httpx.ConnectError("refused")] * 6
    loaded = load_waves([[batch("1"), batch("2"), batch("3"), batch("4")]], concurrency=1)
    assert loaded.report.failures == 3
    server.requests.clear()
    server.faults = [*[busy(503)] * 4, httpx.Response(404), busy(503)]
    loaded = load_waves([[batch("5"), batch("6"), batch("7")]], concurrency=1)
    assert [failure.reason for failure in loaded.failures] == ["HTTP 503", "HTTP 404"]
    assert len(server.requests) == 4 + 1 + 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (httpx.Response(404, text="<h1>Not\n found</h1>"), "HTTP 404: <h1>Not found</h1>"),
        (httpx.Response(500), "HTTP 500"),
        (httpx.Response(301, headers={"Location": "http://x/"}), "HTTP 301: the server is at http://x/"),
        (httpx.Response(401, json={"issue": [{"code": "login"}]}), "HTTP 401: login"),
        (
            httpx.Response(
                422,
                json={
                    "issue": [
                        {"severity": "warning", "diagnostics": "never mind"},
                        {
                            "severity": "error",
                            "diagnostics": "wrong date",
                            "expression": ["Patient.birthDate"],
                        },
                        {"severity": "fatal", "details": {"text": "wrong name"}},
                        {"severity": "error", "code": "invalid"},
                        {"severity": "error", "code": "value"},
                    ]
                },
            ),
            "HTTP 422: wrong date (Patient.birthDate); wrong name; invalid; and 1 more",
        ),
        (
            httpx.Response(200, text="hello"),
            "The server's answer is not a Bundle with an entry for each one sent",
        ),
        (
            httpx.Response(200, json={"entry": []}),
            "The server's answer is not a Bundle with an entry for each one sent",
        ),
        (httpx.Response(200, json={"entry": [7]}), "The server's answer has no response for this entry"),
        (httpx.Response(200, json={"entry": [{"response": {"status": "teapot"}}]}), "HTTP teapot"),
        (
            httpx.Response(200, json={"entry": [{"response": {"status": "412 Precondition Failed"}}]}),
            "HTTP 412 Precondition Failed",
        ),
    ],
)
def test_the_reason_is_told(
    server: "FakeServer", load_waves: "Load", answer: httpx.Response, reason: str
) -> None:
    """A failure says what the server said, in one line."""
    server.faults = [answer]
    assert [failure.reason for failure in load_waves([[posting()]]).failures] == [reason]


def test_each_entry_of_a_batch_has_its_own_fate(server: "FakeServer", load_waves: "Load") -> None:
    """In a batch, entries fail one by one; those that fail are named."""
    server.refuse = lambda resource: "too young" if resource["id"] == "2" else None
    server.resources["Patient/3"] = {}
    loaded = load_waves([[batch("1", "2", "3")]])
    assert loaded.failures == [Failure("file", "Patient/2", "too young (Patient.birthDate)")]
    assert (loaded.report.created, loaded.report.kept, loaded.report.refused) == (
        {"Patient": 1},
        {"Patient": 1},
        {"Patient": 1},
    )


def test_busy_entries_are_sent_again_alone(server: "FakeServer", load_waves: "Load") -> None:
    """A batch in which the server grew tired is repeated for what is missing only."""
    server.busy_entries = 2
    loaded = load_waves([[batch("1", "2", "3")]])
    assert (loaded.failures, loaded.report.saved) == ([], 3)
    assert [len(json.loads(request.content)["entry"]) for request in server.requests] == [3, 2]


def test_a_transaction_is_never_divided(server: "FakeServer", load_waves: "Load") -> None:
    """All or nothing: https://hl7.org/fhir/R4/http.html#transaction."""
    server.refuse_whole = lambda bundle: 422
    load_waves([[posting()]])
    assert len(server.requests) == 1


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sets(st.integers(0, 40)), st.integers(1, 41), st.sampled_from([400, 413, 422]))
def test_a_bad_resource_costs_no_other(
    server: "FakeServer", load_waves: "Load", bad: set[int], count: int, status: int
) -> None:
    """A server that refuses a whole batch for one bad resource still gets all the good ones."""
    poison = {str(number) for number in bad}

    def judge(bundle: dict[str, Any]) -> int:
        return status if any(entry["resource"]["id"] in poison for entry in bundle["entry"]) else 200

    server.refuse_whole = judge
    server.resources.clear()
    loaded = load_waves([[batch(*(str(number) for number in range(count)))]])
    good = {f"Patient/{number}" for number in range(count) if number not in bad}
    assert set(server.resources) == good
    assert loaded.report.saved == len(good)
    assert loaded.report.refused.total() == count - len(good)


def test_requests_overlap_but_not_more_than_asked(server: "FakeServer", load_waves: "Load") -> None:
    """As many requests as `concurrency` run at a time."""
    load_waves([[batch(str(number)) for number in range(20)]], concurrency=3)
    assert server.most_in_flight == 3


def test_a_wave_waits_for_the_one_before(server: "FakeServer", load_waves: "Load") -> None:
    """Whatever others refer to is complete before they are sent, even if the server is slow with it."""
    server.faults = [busy(503), busy(503)]
    first = [batch(f"first-{number}") for number in range(6)]
    load_waves([first, [batch("second")]])
    assert b"second" in server.requests[-1].content
    assert all(b"first" in request.content for request in server.requests[:-1])


def test_what_could_not_be_read_is_counted(server: "FakeServer", load_waves: "Load") -> None:
    """An unreadable file among the submissions is a failure like any other, and stops nothing."""
    failure = Failure("broken.json", "", "The file cannot be read")
    loaded = load_waves([[failure, batch("1")]])
    assert (loaded.failures, loaded.report.failures, loaded.report.saved) == ([failure], 1, 1)


def test_the_server_is_told_the_format(server: "FakeServer", load_waves: "Load") -> None:
    """FHIR's own media type is sent and asked for, and no content back."""
    load_waves([[batch("1")]])
    (request,) = server.requests
    assert request.headers["content-type"] == request.headers["accept"] == "application/fhir+json"
    assert request.headers["prefer"] == "return=minimal"
    assert str(request.url) == "http://fhir.example/fhir"


def test_an_outcome_of_one_entry_is_read(server: "FakeServer", load_waves: "Load") -> None:
    """A single resource that is refused is told with the server's reason."""
    server.refuse = lambda resource: "no such thing"
    one = next(submissions("one.json", b'{"resourceType":"Patient","id":"x"}'))
    assert load_waves([[one]]).failures == [
        Failure("one.json", "Patient/x", "HTTP 422: no such thing (Patient.birthDate)")
    ]
