"""E-mail and text messages by themselves: what goes out, and what is of no use to be tried again."""

import email
import email.policy
import json
from pathlib import Path

import httpx
import pytest

from adapters.email.folder import FolderMailer
from adapters.email.mail import Mail
from adapters.email.mail import NotAccepted as MailNotAccepted
from adapters.sms.folder import FolderTextGateway
from adapters.sms.http import HttpTextGateway
from adapters.sms.text import NotAccepted, TextMessage

pytestmark = pytest.mark.anyio

MAIL = Mail("anna@example.org", "Grüße", "Bis morgen.\n", "key-1")
TEXT = TextMessage("+15550123", "Grüße", "key-1")


@pytest.fixture
def anyio_backend() -> str:
    """The event loop of tests that are coroutines."""
    return "asyncio"


def files(folder: Path) -> list[str]:
    """Return the names in a folder."""
    return [path.name for path in folder.iterdir()]


async def test_a_mail_is_a_file_that_mail_programs_open(tmp_path: Path) -> None:
    """Sent again it is the same file, with the same Message-ID."""
    mailer = FolderMailer(tmp_path / "outbox", "hospital@example.org")
    for _ in range(2):
        await mailer.send(MAIL)
    [path] = (tmp_path / "outbox").iterdir()
    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert (mail["To"], mail["Subject"]) == ("anna@example.org", "Grüße")
    assert mail["Message-ID"] == "<key-1@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("to", ["a@b.org\nBcc: c@d.org", "a@b.org\r\nX: y"])
async def test_no_header_comes_in_by_an_address(tmp_path: Path, to: str) -> None:
    """A line end in an address is refused for good."""
    mailer = FolderMailer(tmp_path, "hospital@example.org")
    with pytest.raises(MailNotAccepted):
        await mailer.send(Mail(to, "x", "x", "key"))
    assert files(tmp_path) == []


async def test_a_text_message_is_a_file(tmp_path: Path) -> None:
    """With the number in its first line."""
    await FolderTextGateway(tmp_path).send(TEXT)
    assert (tmp_path / "key-1.txt").read_text() == "To: +15550123\n\nGrüße\n"


@pytest.mark.parametrize("url", ["http://gateway.example/send", "ftp://gateway.example", "gateway.example"])
def test_a_gateway_is_reached_by_https(url: str) -> None:
    """Only one on this machine itself may do without."""
    with pytest.raises(ValueError, match="https"):
        HttpTextGateway(url)
    HttpTextGateway("http://127.0.0.1:8080/send")


@pytest.mark.parametrize(
    ("answers", "asked", "failure"),
    [
        ([200], 1, None),
        ([503, 202], 2, None),
        ([503, 503, 503], 3, httpx.HTTPStatusError),
        ([400], 1, NotAccepted),
        ([422], 1, NotAccepted),
        ([401], 1, httpx.HTTPStatusError),
        ([429], 1, httpx.HTTPStatusError),
        ([302], 1, httpx.HTTPStatusError),
    ],
)
async def test_what_a_gateway_answers(
    monkeypatch: pytest.MonkeyPatch, answers: list[int], asked: int, failure: type[Exception] | None
) -> None:
    """What may go well at once is tried again at once; a redirection is not followed with the token."""
    monkeypatch.setattr("adapters.sms.http._PAUSES", (0.0, 0.0))
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(answers[len(requests) - 1], headers={"location": "https://elsewhere.example/"})

    gateway = HttpTextGateway("https://gateway.example/send", "secret", httpx.MockTransport(answer))
    if failure is None:
        await gateway.send(TEXT)
    else:
        with pytest.raises(failure):
            await gateway.send(TEXT)
    assert len(requests) == asked
    assert {request.url.host for request in requests} == {"gateway.example"}
    assert {request.headers["idempotency-key"] for request in requests} == {"key-1"}
    assert json.loads(requests[0].content) == {"to": "+15550123", "text": "Grüße", "reference": "key-1"}
