"""Methods and addresses that nobody should send. https://hl7.org/fhir/R4/http.html#summary"""

import pytest

from tests.fhir_server.faults.raw_http import ask
from tests.fhir_server.faults.refusals import CANARY, check_refused

pytestmark = pytest.mark.usefixtures("nothing_stored")


METHODS = (
    "TRACE",
    "PROPFIND",
    "MKCOL",
    "LINK",
    "SOURCE",
    "REPORT",
    "M-SEARCH",
    "PURGE",
    "COPY",
)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "target", ["/fhir", "/fhir/", "/fhir/Patient", "/fhir/Patient/bad", "/fhir/metadata"]
)
def test_methods_that_fhir_does_not_know_are_refused(port: int, method: str, target: str) -> None:
    """405 says which methods there are; TRACE above all does not send back what it got."""
    answer = ask(port, method, target, [("X-Secret", CANARY)])
    check_refused(answer, 405)
    assert answer is not None
    assert method not in answer.headers["allow"]


def test_head_is_get_without_the_body(port: int) -> None:
    """HEAD answers with the same status and headers, and nothing behind them."""
    for target in ("/fhir/metadata", "/fhir/Patient/bad", "/fhir/Patient?_count=x", "/fhir/Nonsense"):
        get, head = ask(port, "GET", target), ask(port, "HEAD", target)
        assert get is not None
        assert head is not None
        assert head.status == get.status
        assert head.headers["content-type"] == get.headers["content-type"]
        assert head.headers["content-length"] == get.headers["content-length"]


def test_the_server_in_an_address_is_ignored(port: int) -> None:
    """An address with a server in it (the absolute form) leads to the same path here."""
    check_refused(ask(port, "GET", "http://elsewhere.example/fhir/Patient/bad"), 404)
