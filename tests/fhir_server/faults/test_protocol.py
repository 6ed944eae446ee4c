"""HTTP itself: what is no HTTP, half of it, or more of it at once (https://www.rfc-editor.org/rfc/rfc9112)."""

from collections.abc import Iterator

import pytest

from tests.fhir_server.faults.raw_http import FHIR_JSON, Connection, ask, request_bytes
from tests.fhir_server.faults.refusals import CANARY, check_refused

PATIENT = b'{"resourceType":"Patient"}'
GET = b"GET /fhir/metadata?_pretty=false HTTP/1.1\r\nHost: localhost\r\n\r\n"

NOT_HTTP = {
    "text": b"hello\r\n\r\n",
    "nothing but line ends": b"\r\n" * 10_000 + b"x\r\n\r\n",
    "null bytes": b"\x00" * 1_000,
    "TLS": bytes.fromhex("16030100f8010000f40303") + b"\x00" * 200,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9": b"GET /fhir/metadata HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "an unknown method": b"NONSENSE /fhir/metadata HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no address": b"GET HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a space in the address": b"GET /fhir/Patient/a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a header without colon": b"GET /fhir/metadata HTTP/1.1\r\nnonsense\r\n\r\n",
    "a space in a header's name": b"GET /fhir/metadata HTTP/1.1\r\nA b: c\r\n\r\n",
    "a null in a header": b"GET /fhir/metadata HTTP/1.1\r\nHost: a\x00b\r\n\r\n",
    "a bare line end in a header": b"GET /fhir/metadata HTTP/1.1\r\nHost: a\rX-Injected: 1\r\n\r\n",
    "no length at all": b"POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\nContent-Length: \r\n\r\n",
    "a negative length": b"POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    "a length in words": b"POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\nContent-Length: ten\r\n\r\n",
    "a length beyond any": b"POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
    + b"9" * 40
    + b"\r\n\r\n",
    "two lengths": b"POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a length, and chunks": b"POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk of no size": b"POST /fhir/Patient HTTP/1.1\r\nHost: [::1]\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "a chunk beyond any": b"POST /fhir/Patient HTTP/1.1\r\nHost: [::1]\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n\r\n",
    "two encodings of the transfer": b"POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\n"
    b"Transfer-Encoding: chunked, nonsense\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("sent", NOT_HTTP.values(), ids=NOT_HTTP.keys())
@pytest.mark.usefixtures("nothing_stored")
def test_what_is_no_http_is_refused(port: int, sent: bytes) -> None:
    """400 and an end of the connection; the server goes on."""
    with Connection(port) as connection:
        connection.send([sent])
        answer = connection.answer()
        assert answer is not None
        check_refused(answer, 400)
        assert connection.answer() is None
    following = ask(port, "GET", "/fhir/metadata")
    assert following is not None
    assert following.status == 200


HOSTS = (
    "",
    " ",
    "a b",
    "a/b",
    "a?b",
    "a#b",
    "a@b",
    "user:secret@host",
    "a\\b",
    'a"b',
    "<script>",
    "a,b",
    "a:b",
    "a:99999999",
    "a:80:80",
    "[::1",
    "::1",
    "[nonsense]",
    "Größe.example",
    "\xff",
    "a%0d%0aX-Injected:1",
    "a%00",
    "a" * 300,
    "a" * 20_000,
    "{}",
    "$(id)",
)


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: repr(host[:30]))
@pytest.mark.usefixtures("nothing_stored")
def test_a_host_that_is_none_is_refused(port: int, host: str) -> None:
    """The Host header becomes part of Location and of links: only what may stand in an address is taken.

    https://www.rfc-editor.org/rfc/rfc9110#field.host
    """
    headers = [("Host", host), ("Content-Type", FHIR_JSON)]
    check_refused(ask(port, "POST", "/fhir/Patient", headers, PATIENT), 400)
    check_refused(ask(port, "GET", "/fhir/Patient", headers), 400)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.1.2.3:8443", "127.0.0.1", "[::1]:8000"])
def test_a_host_is_the_beginning_of_links(port: int, host: str) -> None:
    """What the client calls the server, the server calls itself."""
    answer = ask(port, "GET", "/fhir/Patient?_count=1", [("Host", host)])
    assert answer is not None
    assert answer.resource["link"][0]["url"] == f"http://{host}/fhir/Patient?_count=1"


def test_a_request_without_host_is_answered(port: int) -> None:
    """As HTTP/1.0 had it: links then begin with the address to which the client is connected."""
    with Connection(port) as connection:
        connection.send([b"GET /fhir/Patient HTTP/1.0\r\n\r\n"])
        answer = connection.answer()
    assert answer is not None
    assert answer.resource["link"][0]["url"] == f"http://127.0.0.1:{port}/fhir/Patient"


@pytest.mark.usefixtures("nothing_stored")
def test_no_header_is_injected(port: int) -> None:
    """A line end within a value ends the header, or the whole request; it never comes back in an answer."""
    for injected in ("Host: a\r\nX-Injected: 1", "Host: a\r\n\tX-Injected: 1", "Host: a\nX-Injected: 1"):
        with Connection(port) as connection:
            connection.send([f"GET /fhir/Patient?_count=1 HTTP/1.1\r\n{injected}\r\n\r\n".encode()])
            answer = connection.answer()
        assert answer is not None
        assert "x-injected" not in answer.headers
        assert b"Injected" not in answer.body


def test_requests_may_come_all_at_once(port: int) -> None:
    """Pipelining: the answers come in the order of the requests, refusals among them."""
    targets = ["/fhir/metadata", "/fhir/Nonsense/1", "/fhir/Patient/none", "/fhir/metadata"] * 50
    with Connection(port) as connection:
        connection.send([b"".join(request_bytes("GET", target) for target in targets)])
        statuses = []
        for _ in targets:
            answer = connection.answer()
            assert answer is not None
            statuses.append(answer.status)
    assert statuses == [200, 404, 404, 200] * 50


def test_bodies_may_come_all_at_once(port: int) -> None:
    """Each body goes with its request; one that is refused before it is read does not disturb the next."""
    headers = [("Content-Type", FHIR_JSON)]
    good = b'{"resourceType":"Patient","id":"pipelined","active":%s}'
    requests = [
        request_bytes("PUT", "/fhir/Patient/pipelined", headers, good % b"true"),
        request_bytes("PUT", "/fhir/Nonsense/1", headers, good % b"false"),
        request_bytes("PUT", "/fhir/Patient/pipelined", headers, good % b"false"),
        request_bytes("GET", "/fhir/Patient/pipelined"),
    ]
    with Connection(port) as connection:
        connection.send([b"".join(requests)])
        answers = [connection.answer() for _ in requests]
    assert [answer.status if answer else None for answer in answers] == [201, 404, 200, 200]
    assert answers[-1] is not None
    assert answers[-1].resource["active"] is False


def test_one_byte_at_a_time(port: int) -> None:
    """How a request is cut into packets makes no difference."""
    headers = [("Content-Type", FHIR_JSON)]
    request = request_bytes("PUT", "/fhir/Patient/slow", headers, b'{"resourceType":"Patient","id":"slow"}')
    with Connection(port) as connection:
        connection.send(request[index : index + 1] for index in range(len(request)))
        answer = connection.answer()
    assert answer is not None
    assert answer.status == 201


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("missing", [1, 100, 10_000_000])
def test_a_body_that_ends_early_is_not_stored(port: int, missing: int) -> None:
    """A client that hangs up in the middle leaves nothing behind."""
    headers = [("Content-Type", FHIR_JSON), ("Content-Length", str(len(PATIENT) + missing))]
    with Connection(port) as connection:
        connection.send([request_bytes("POST", "/fhir/Patient", headers, PATIENT)])
    answer = ask(port, "GET", "/fhir/Patient/none")
    assert answer is not None
    assert answer.status == 404


@pytest.mark.usefixtures("nothing_stored")
def test_a_body_longer_than_announced_is_another_request(port: int) -> None:
    """What follows the announced length is not read as part of the body."""
    headers = [("Content-Type", FHIR_JSON), ("Content-Length", "5")]
    with Connection(port) as connection:
        connection.send([request_bytes("POST", "/fhir/Patient", headers, PATIENT)])
        check_refused(connection.answer(), 400)
        assert connection.answer() is None


def test_nonsense_behind_a_request_does_not_take_its_answer(port: int) -> None:
    """What is stored is never answered by the refusal of something else."""
    headers = [("Content-Type", FHIR_JSON)]
    request = request_bytes("PUT", "/fhir/Patient/first", headers, b'{"resourceType":"Patient","id":"first"}')
    for nonsense in (b"nonsense\r\n\r\n", b"GET /" + b"a" * 200_000):
        with Connection(port) as connection:
            connection.send([request + nonsense])
            answer = connection.answer()
            assert answer is not None
            assert answer.status in (200, 201)
            assert connection.answer() is None


UPGRADES = ("websocket", "h2c", "nonsense", CANARY)


@pytest.mark.parametrize("protocol", UPGRADES)
def test_other_protocols_are_not_offered(port: int, protocol: str) -> None:
    """A wish to speak something else is ignored, with and without a body."""
    upgrade = [("Connection", "Upgrade"), ("Upgrade", protocol), ("Sec-WebSocket-Key", "x" * 24)]
    answer = ask(port, "GET", "/fhir/metadata", upgrade)
    assert answer is not None
    assert answer.status == 200
    posted = ask(
        port, "POST", "/fhir/Patient", [*upgrade, ("Content-Type", FHIR_JSON)], b'{"resourceType":1}'
    )
    check_refused(posted, 400)


def test_a_proxy_is_not_offered(port: int) -> None:
    """CONNECT and an asterisk lead nowhere."""
    for line in (b"CONNECT elsewhere.example:443 HTTP/1.1", b"OPTIONS * HTTP/1.1", b"GET * HTTP/1.1"):
        with Connection(port) as connection:
            connection.send([line + b"\r\nHost: localhost\r\n\r\n"])
            answer = connection.answer()
        assert answer is not None
        assert 400 <= answer.status < 500
        assert answer.is_outcome


def test_clients_that_expect_to_be_asked_are_asked(port: int) -> None:
    """100-continue: a body is asked for only if it will be read."""
    expecting = [("Content-Type", FHIR_JSON), ("Expect", "100-continue"), ("Content-Length", "38")]
    with Connection(port) as connection:
        connection.send([request_bytes("PUT", "/fhir/Patient/asked", expecting)])
        connection.send([b'{"resourceType":"Patient","id":"asked"}'[:38]])
        check_refused(connection.answer(), 400)
    with Connection(port) as connection:
        connection.send([request_bytes("PUT", "/fhir/Nonsense/asked", expecting)])
        check_refused(connection.answer(), 404)


def endless(beginning: bytes, piece: bytes) -> Iterator[bytes]:
    """Yield a beginning, and then 64 MB of the same."""
    yield beginning
    for _ in range(64):
        yield piece


ENDLESS = {
    "address": (b"GET /fhir/", b"a" * 1_048_576),
    "query": (b"GET /fhir/Patient?", b"a" * 1_048_576),
    "header": (b"GET /fhir/metadata HTTP/1.1\r\nHost: localhost\r\nX-Long: ", b"a" * 1_048_576),
    "name of a header": (b"GET /fhir/metadata HTTP/1.1\r\nHost: localhost\r\n", b"a" * 1_048_576),
    "headers": (b"GET /fhir/metadata HTTP/1.1\r\nHost: localhost\r\n", b"X-Many: abcdefg\r\n" * 65_536),
    "headers of the end": (
        b"POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n",
        b"X-Many: abcdefg\r\n" * 65_536,
    ),
    "extension of a chunk": (
        b"POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n5;",
        b"a" * 1_048_576,
    ),
}


@pytest.mark.parametrize(("beginning", "piece"), ENDLESS.values(), ids=ENDLESS.keys())
@pytest.mark.usefixtures("nothing_stored")
def test_a_head_without_end_is_refused(port: int, beginning: bytes, piece: bytes) -> None:
    """Addresses and headers have a bound too: 431, or 414, or the connection is closed."""
    with Connection(port) as connection:
        connection.send(endless(beginning, piece))
        answer = connection.answer()
    if answer is not None:
        check_refused(answer, 400, 413, 414, 431)
