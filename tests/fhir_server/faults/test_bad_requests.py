"""Strange addresses, methods and headers: an OperationOutcome below the base, and nothing stored.

https://hl7.org/fhir/R4/http.html, https://www.rfc-editor.org/rfc/rfc9110, https://www.rfc-editor.org/rfc/rfc9112
"""

import pytest

from tests.fhir_server.faults.raw_http import FHIR_JSON, Answer, ask, send_json
from tests.fhir_server.faults.refusals import CANARY, check_refused

pytestmark = pytest.mark.usefixtures("nothing_stored")

PATIENT = b'{"resourceType":"Patient","id":"bad"}'

TARGETS = (
    "/fhir/%00",
    "/fhir/Patient/%00",
    "/fhir/Patient/a%00b",
    "/fhir/Patient%2Fbad%2F_history%2F1%2F2",
    "/fhir/Patient//bad",
    "/fhir/Patient/.",
    "/fhir/Patient/..",
    "/fhir/Patient/../../etc/passwd",
    "/fhir/Patient/%2e%2e%2f%2e%2e",
    "/fhir/Patient/%ff%fe",
    "/fhir/Patient/%c3%28",
    "/fhir/Patient/%ED%A0%80",
    "/fhir/Patient/%",
    "/fhir/Patient/%zz",
    "/fhir/Patient/%u0041",
    "/fhir/Patient/bad%20id",
    "/fhir/Patient/bad%0d%0aX-Injected:1",
    "/fhir/Patient/Größe".encode(),
    b"/fhir/Patient/\xff",
    "/fhir/Patient/%F0%9F%98%80",
    "/fhir/Patient/" + "a" * 65,
    "/fhir/Patient/" + "a" * 20_000,
    "/fhir/" + "P" * 20_000,
    "/fhir" + "/a" * 10_000,
    f"/fhir/{CANARY}",
    f"/fhir/{CANARY}/bad",
    f"/fhir/Patient/bad/{CANARY}",
    f"/fhir/Patient/bad/_history/{CANARY}",
    f"/fhir/Patient/${CANARY}",
    f"/fhir/Patient/bad/${CANARY}",
    "/fhir/Patient/bad/_history/1/2",
    "/fhir/Patient/bad/_history/-1",
    "/fhir/Patient/bad/_history/1e3",
    "/fhir/Patient/bad/_history/%D9%A3",
    "/fhir/Patient/bad/_history/" + "9" * 5_000,
    "/fhir/Patient/bad/_history/0",
    "/fhir/{type}",
    "/fhir/{type}/{id}",
    "/fhir/{type}/bad",
    "/fhir/%7Btype%7D/_history",
    "/fhir/%7Btype%7D/_search",
    "/fhir/Patient/{id}/_history/{vid}",
    "/fhir/patient/bad",
    "/fhir/Resource/bad",
    "/fhir/DomainResource/bad",
    "/fhir/Patient_history/bad",
    "/fhir/Patient/_nonsense",
    "/fhir/Patient/_search/bad",
    "/fhir/_history/bad",
    "/fhir/metadata/bad",
    "/fhir/$nonsense",
    "/fhirx/Patient/bad",
    "/FHIR/Patient/bad",
    "/",
    "//",
    "/../fhir/Patient/bad",
    "/nothing/here",
    "/healthy",
    "/docs",
    "/openapi.json",
)


def shown(target: str | bytes) -> str:
    """Return a short name of a test case."""
    return repr(target[:40])


@pytest.mark.parametrize("target", TARGETS, ids=shown)
def test_a_strange_address_is_refused(port: int, target: str | bytes) -> None:
    """Whatever stands in the address, each method is answered, and there is nothing there."""
    for method in ("GET", "HEAD", "DELETE", "PUT", "POST", "PATCH", "TRACE"):
        headers = [("Content-Type", FHIR_JSON)]
        answer = ask(port, method, target, headers, PATIENT if method in ("PUT", "POST", "PATCH") else b"")
        assert answer is not None
        is_root = target == "/" and method in ("GET", "HEAD")
        assert 400 <= answer.status < 500 or is_root or _deletes_nothing(method, answer), (method, answer)
        assert CANARY.encode() not in answer.body
        if method != "HEAD" and answer.status >= 400:
            assert answer.is_outcome, (method, answer)


def _deletes_nothing(method: str, answer: Answer) -> bool:
    return method == "DELETE" and answer.status == 204 and "etag" not in answer.headers


QUERIES = (
    "?",
    "&&&",
    "=",
    "=a",
    "%00=%00",
    "%ff=1",
    "_id=%ff",
    "_id=%ED%A0%80",
    "_id=%00",
    "name=%00",
    "name:contains=%00",
    "name:contains=" + "a" * 40_000,
    "name:contains=" + "(((((" * 5_000,
    "name=" + "," * 5_000,
    "identifier=" + "|" * 100,
    "identifier=" + "a," * 10_000,
    "birthdate=yesterday",
    "birthdate=0000",
    "birthdate=9999-12-31T23:59:59.999-14:00",
    "birthdate=lt0001-01-01T00:00:00%2B14:00",
    "birthdate=%D9%A2%D9%A0%D9%A2%D9%A0",
    "birthdate=ap0001",
    "birthdate=" + "1" * 5_000,
    "_lastUpdated=ap9999-12-31",
    "_count=-1",
    "_count=1e3",
    "_count=" + "9" * 5_000,
    "_count=%D9%A3",
    "_count=1&_count=2",
    "_sort=" + "-" * 5_000,
    "_sort=" + "birthdate," * 1_000,
    "_sort=nonsense",
    "_total=nonsense",
    "_summary=nonsense",
    "_page=",
    "_page=%00",
    "_page=AAAA",
    "_page=W10",
    "_page=W251bGxd",
    "_page=" + "A" * 5_000,
    "_page=WzE4NDQ2NzQ0MDczNzA5NTUxNjE1XQ",
    "_page=Wy05OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTldCg",
    "_format=",
    "_format=%00",
    "_format=ttl",
    "_format=" + "a;" * 5_000,
    "_pretty=nonsense",
    "&".join(["name=a"] * 2_000),
    "&".join(["name=a"] * 500),
    "$where=1",
    "identifier[$ne]=1",
    "name[$regex]=.*",
    "search.name=a",
    "resource.id=a",
    "__proto__=a",
    "_query=a",
    "name:nonsense=a",
    "name:=a",
    ":exact=a",
    "name:exact:exact=a",
    "name:missing=maybe",
    "organization:Nonsense.name=a",
    "_has:Observation:patient:code=a",
    "_include=Patient:organization",
    "_filter=a",
)


@pytest.mark.parametrize("query", QUERIES, ids=shown)
@pytest.mark.parametrize(
    "target", ["/fhir/Patient", "/fhir/Patient/_history", "/fhir/_history", "/fhir/metadata"]
)
def test_no_query_fails_badly(port: int, target: str, query: str) -> None:
    """A query finds nothing or is refused, in the URL and in a posted form."""
    answer = ask(port, "GET", f"{target}?{query}")
    _check_not_bad(answer)
    if target == "/fhir/Patient":
        form = [("Content-Type", "application/x-www-form-urlencoded")]
        posted = ask(port, "POST", f"{target}/_search", form, query.encode())
        _check_not_bad(posted)


def _check_not_bad(answer: Answer | None) -> None:
    assert answer is not None
    assert answer.status < 500, (answer.status, answer.body[:300])
    assert answer.headers["content-type"].startswith(FHIR_JSON)
    if answer.status != 200:
        assert answer.is_outcome


NUMBER_QUERIES = (
    "gt1." + "1" * 40,
    "1e99999999999999999999",
    "1e999",
    "-1e-999",
    "eq" + "9" * 39,
    "0." + "0" * 36 + "1",
    "NaN",
    "Infinity",
    "-0",
    "1_0",
    "+5",
    "5|",
    "5||",
    "5|a|b|c",
    "%D9%A3",
    "lt1." + "9" * 33,
    "gt" + "9" * 39,
    "ne9." + "9" * 38,
    "ap1." + "9" * 33,
    "ap" + "9" * 34,
)


@pytest.mark.parametrize("text", NUMBER_QUERIES, ids=shown)
def test_no_number_in_a_query_fails_badly(port: int, text: str) -> None:
    """Numbers of any form are compared or refused, as quantities and as numbers."""
    _check_not_bad(ask(port, "GET", f"/fhir/Observation?value-quantity={text}"))
    _check_not_bad(ask(port, "GET", f"/fhir/RiskAssessment?probability={text}"))
    _check_not_bad(ask(port, "GET", f"/fhir/Observation?code-value-quantity=a${text}"))


HISTORIES = (
    "_since=yesterday",
    "_since=",
    "_since=%00",
    "_since=0001-01-01T00:00:00%2B14:00",
    "_since=9999-12-31T23:59:59-14:00",
    "_since=2020",
    "_since=2020-W01",
    "_since=" + "1" * 5_000,
    "_page=",
    "_page=MS4x",
    "_page=LS4t",
    "_page=MC5mZmZmZmZmZmZmZmZmZmZmZmZmZmY",
    "_page=ZmZmZmZmZmZmZmZmZmZmZmZmLjA",
    "_page=ZmZmZmZmZmZmZmZmLjA",
    "_page=LTMwMDAwMDAwMDAwMDAuMA",
    "_count=0",
    "_count=" + "9" * 9,
    "_at=2020",
    "_list=a",
)


@pytest.mark.parametrize("query", HISTORIES, ids=shown)
@pytest.mark.parametrize("target", ["/fhir/Patient/bad/_history", "/fhir/Patient/_history", "/fhir/_history"])
def test_no_history_fails_badly(port: int, target: str, query: str) -> None:
    """Moments and places of any form are understood or refused."""
    _check_not_bad(ask(port, "GET", f"{target}?{query}"))


VALUES = (
    "",
    " ",
    "*",
    ",",
    ";",
    "=",
    '"',
    "W/",
    'W/""',
    'W/"x"',
    'W/"' + "9" * 100 + '"',
    '"' + "a" * 10_000 + '"',
    "a" * 20_000,
    "," * 5_000,
    ";" * 5_000,
    "=;" * 5_000,
    "%00",
    "%ff",
    "\xff\xfe",
    "Größe",
    CANARY,
    f"a/b;c={CANARY}",
    "return=;handling=;return",
    "identifier=",
    "nonsense=1",
    "_id=%ED%A0%80",
    "application/json;q=nan",
    "application/json;q=" + "9" * 400,
    "application/json;q=1e400;q=-1",
    "application/json;charset=",
    "application/fhir+json;fhirVersion=9.9",
    "multipart/form-data; boundary=" + "-" * 5_000,
    "Mon, 01 Jan 99999999999 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Mon, 01 Jan 0001 00:00:00 +2359",
    "Sat, 01 Jan 2000 00:00:00 +99999999999999",
    "Sat, 01 Jan 2000 25:61:61 GMT",
    "1 1 1 1 1 1",
    "31 Feb 2000 00:00:00",
)
HEADERS = (
    "If-Match",
    "If-None-Match",
    "If-None-Exist",
    "If-Modified-Since",
    "If-Unmodified-Since",
    "Prefer",
    "Accept",
    "Accept-Charset",
    "Content-Type",
    "Content-Encoding",
    "Authorization",
    "Cookie",
    "X-Forwarded-Host",
    "X-Forwarded-For",
    "Forwarded",
    "X-Request-Id",
    "Range",
    "Origin",
)


@pytest.mark.parametrize("name", HEADERS)
def test_no_header_fails_badly(port: int, name: str) -> None:
    """A header may hold anything: with it a request is carried out, or refused, but never goes wrong."""
    for value in VALUES:
        for method, target, body in (
            ("GET", "/fhir/metadata", b""),
            ("GET", "/fhir/Patient/bad", b""),
            ("GET", "/fhir/Patient", b""),
            ("PUT", "/fhir/Patient/bad", b'{"resourceType":"Patient","id":"other"}'),
            ("POST", "/fhir/Patient", b'{"resourceType":"Patient","nonsense":1}'),
            ("DELETE", "/fhir/Patient/bad", b""),
        ):
            headers = [(name, value)]
            if body and name != "Content-Type":
                headers.append(("Content-Type", FHIR_JSON))
            answer = ask(port, method, target, headers, body)
            assert answer is not None
            assert answer.status < 500, (name, value, answer)
            assert CANARY.encode() not in answer.body
            assert "x-injected" not in answer.headers


@pytest.mark.parametrize("name", ["If-Match", "If-None-Match", "Prefer", "Accept", "Content-Type", "Host"])
def test_a_header_may_come_twice(port: int, name: str) -> None:
    """Two headers of the same name are no reason to go wrong."""
    answer = ask(port, "GET", "/fhir/Patient/bad", [(name, "a"), (name, "b")])
    assert answer is not None
    assert 400 <= answer.status < 500
    assert answer.is_outcome


@pytest.mark.parametrize(
    "criteria", ["", "?", "nonsense=1", "_id=%ff", "birthdate=yesterday", "&", "name:nonsense=1", "_id=\xe9"]
)
def test_a_condition_that_is_no_search_is_refused(port: int, criteria: str) -> None:
    """A conditional create is not carried out if its condition is not understood."""
    body = b'{"resourceType":"Patient"}'
    check_refused(send_json(port, "POST", "/fhir/Patient", body, ("If-None-Exist", criteria)), 400, 412)


@pytest.mark.parametrize(
    "version", ["", "x", "*", '"', 'W/"0"', 'W/"1"', '"1"', "1", 'W/"1", W/"2"', "²", "W/" * 99]
)
def test_an_update_of_a_version_that_never_was_is_refused(port: int, version: str) -> None:
    """If-Match is either malformed or does not hold."""
    check_refused(send_json(port, "PUT", "/fhir/Patient/bad", PATIENT, ("If-Match", version)), 400, 412)


CONTENT_TYPES = (
    "",
    "text/plain",
    "text/turtle",
    "application/fhir+turtle",
    "multipart/form-data",
    "json/application",
    "application/x-ndjson",
    "application/fhir+json; charset=utf-16",
    "application/fhir+json; fhirVersion=5.0",
)


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_a_body_of_another_kind_is_refused(port: int, content_type: str) -> None:
    """Only JSON in UTF-8 of FHIR 4.0 is read."""
    headers = [("Content-Type", content_type)]
    for method, target in (("PUT", "/fhir/Patient/bad"), ("POST", "/fhir/Patient"), ("POST", "/fhir")):
        check_refused(ask(port, method, target, headers, PATIENT), 415)


def test_a_body_without_a_type_is_refused(port: int) -> None:
    """Nobody guesses what a body is."""
    check_refused(ask(port, "PUT", "/fhir/Patient/bad", [], PATIENT), 415)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity, gzip", CANARY])
def test_a_packed_body_is_refused(port: int, encoding: str) -> None:
    """What unpacks to a thousand times its size is never unpacked."""
    headers = (("Content-Encoding", encoding),)
    check_refused(send_json(port, "PUT", "/fhir/Patient/bad", PATIENT, *headers), 415)
