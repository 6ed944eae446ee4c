"""The loader as a backend service: how it gets its tokens, and what it does when one ends.

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest
from click.testing import CliRunner, Result
from joserfc import jwt
from joserfc.jwk import ECKey
from pymongo import MongoClient

from fhir_server.commands.clients import clients
from fhir_server.commands.demo import demo
from fhir_server.commands.load import load
from fhir_server.loader.loading import Report, load_into
from fhir_server.loader.sending import Patience
from fhir_server.loader.signing_in import BackendService, NotSignedIn, ServiceKey, backend_service
from fhir_server.loader.submission import Entry, Submission
from fhir_server.secrets_at_rest import new_key
from fhir_server.settings import Settings
from fhir_server.smart.oauth.key_pairs import new_key_pair, read_private_key, write_private_key
from tests.fhir_server.conftest import running_server
from tests.fhir_server.loader.conftest import Watch

_TOKEN_ENDPOINT = "http://fhir.example/oauth/token"
_FHIR = "http://fhir.example/fhir"


class Authorized:
    """A server that gives tokens of `seconds`, and takes only the `good` ones; with a clock beside it."""

    def __init__(self, seconds: float = 300) -> None:
        """Begin with no tokens."""
        self.seconds, self.now = seconds, 0.0
        self.assertions: list[str] = []
        self.sent: list[str] = []
        self.good: set[str] = set()
        self.refusal: httpx.Response | None = None
        private, public = new_key_pair()
        self.public = public
        key = ECKey.import_key(private)
        service = ServiceKey("loader", key, "ES384")
        self.auth = BackendService(service, _TOKEN_ENDPOINT, "system/*.cruds", lambda: self.now)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer at the token endpoint, or as the FHIR interface."""
        if str(request.url) != _TOKEN_ENDPOINT:
            self.sent.append(request.headers["authorization"].removeprefix("Bearer "))
            return httpx.Response(201 if self.sent[-1] in self.good else 401)
        if self.refusal is not None:
            return self.refusal
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        assert (form["grant_type"], form["scope"]) == ("client_credentials", "system/*.cruds")
        self.assertions.append(form["client_assertion"])
        token = f"token-{len(self.assertions)}"
        self.good.add(token)
        return httpx.Response(200, json={"access_token": token, "expires_in": self.seconds})

    def request(self) -> int:
        """Send something, signed; return the status."""
        with httpx.Client(transport=httpx.MockTransport(self.answer), auth=self.auth) as client:
            return client.post(_FHIR, content=b"x").status_code


def test_an_assertion_is_signed_and_new_each_time() -> None:
    """It says who the service is and to whom it speaks, and is good once and for two minutes."""
    server = Authorized()
    assert server.request() == 201
    server.now = 300
    assert server.request() == 201
    key = ECKey.import_key(server.public["keys"][0])
    claims = [jwt.decode(one, key, algorithms=["ES384"]).claims for one in server.assertions]
    assert [(one["iss"], one["sub"], one["aud"]) for one in claims] == [
        ("loader", "loader", _TOKEN_ENDPOINT)
    ] * 2
    assert claims[0]["jti"] != claims[1]["jti"]


def test_a_token_is_renewed_before_it_ends() -> None:
    """Half a minute before, or at half of its time if that is short; and not sooner."""
    for seconds, due in ((300, 270), (40, 20)):
        server = Authorized(seconds)
        for server.now in (0, due - 1, due, due + 1):
            assert server.request() == 201
        assert server.sent == ["token-1", "token-1", "token-2", "token-2"]


def test_a_token_that_is_taken_no_more_is_renewed_once() -> None:
    """What was refused for its token alone is sent again; a server that takes none is believed."""
    server = Authorized()
    assert server.request() == 201
    server.good.clear()
    assert server.request() == 201
    server.answer = lambda request: (  # type: ignore[method-assign]
        httpx.Response(200, json={"access_token": "bad", "expires_in": 9})
        if str(request.url) == _TOKEN_ENDPOINT
        else httpx.Response(401)
    )
    assert server.request() == 401


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (httpx.Response(400, json={"error": "invalid_client", "error_description": "unknown"}), "unknown"),
        (httpx.Response(200, text="<html>"), "no access token: HTTP 200"),
        (httpx.Response(503), "no access token: HTTP 503"),
    ],
    ids=["refused", "no JSON", "away"],
)
def test_without_a_token_nothing_is_sent(answer: httpx.Response, message: str) -> None:
    """The reason is told, and the request can be tried again whatever it is."""
    server = Authorized()
    server.refusal = answer
    with pytest.raises(NotSignedIn, match=message):
        server.request()
    assert server.sent == []
    server.refusal = None
    assert server.request() == 201


def test_the_loader_waits_for_a_token() -> None:
    """A token endpoint that is busy costs no record, not even one that must not be sent twice."""
    server, busy = Authorized(), [httpx.Response(503), httpx.Response(429)]

    def answer(request: httpx.Request) -> httpx.Response:
        return busy.pop() if busy and str(request.url) == _TOKEN_ENDPOINT else server.answer(request)

    async def sleep(_seconds: float) -> None:
        """Wait for nothing."""

    once = Submission("x.json", "POST", "Patient", b"{}", (Entry("", "Patient"),), False, False)
    report, watch = Report(), Watch()
    patience = Patience(attempts=4, sleep=sleep)
    transport = httpx.MockTransport(answer)
    loading = load_into(
        _FHIR, [[once]], report, watch, auth=server.auth, patience=patience, transport=transport
    )
    asyncio.run(loading)
    assert (report.created.total(), watch.failures, busy) == (1, [], [])


# --- With the server itself ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secure(settings: Settings) -> Settings:
    """Settings of a server that asks for tokens."""
    return Settings(**settings.model_dump() | {"auth": "on", "encryption_key": new_key()})


@pytest.fixture(scope="module")
def secure_url(secure: Settings) -> Iterator[str]:
    """The address of that server."""
    with running_server(secure) as url:
        yield url


@pytest.fixture(scope="module")
def private_key(secure: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key of a service that may bring in everything, as `fhir-server clients add` makes it."""
    path = tmp_path_factory.mktemp("keys") / "loader.jwk"
    assert secure.encryption_key is not None
    environment = {
        "FHIR_MONGO_URL": secure.mongo_url,
        "FHIR_DATABASE": secure.database,
        "FHIR_ENCRYPTION_KEY": secure.encryption_key.get_secret_value(),
    }
    service = ["add", "Loader", "--service", "--scope", "system/*.cruds", "--new-key", str(path)]
    added = CliRunner(env=environment).invoke(clients, service)
    assert added.exit_code == 0, added.output
    return path


def _loaded(*arguments: object, given: str | None = None) -> Result:
    result = CliRunner().invoke(load, [str(argument) for argument in arguments], input=given)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a patient."""
    (tmp_path / "p.json").write_text(json.dumps({"resourceType": "Patient", "id": "loaded"}))
    return tmp_path


def test_a_folder_is_loaded_by_a_service(secure_url: str, private_key: Path, folder: Path) -> None:
    """With its key, and without one nothing is taken."""
    refused = _loaded(folder, "--url", secure_url)
    assert refused.exit_code == 1
    assert "HTTP 401" in refused.output
    taken = _loaded(folder, "--url", secure_url, "--private-key", private_key)
    assert taken.exit_code == 0, taken.output
    assert "1 resources in" in taken.output


def test_the_demo_is_loaded_by_a_service(secure_url: str, private_key: Path) -> None:
    """`fhir-server demo` signs in alike, also for the question whether there is anything yet."""
    arguments = ["--url", secure_url, "--patients", "1", "--private-key", str(private_key)]
    result = CliRunner().invoke(demo, arguments)
    assert result.exit_code == 0, result.output
    again = CliRunner().invoke(demo, [*arguments, "--if-empty"])
    assert "has records already" in again.output


def test_a_long_load_outlives_its_tokens(
    secure_url: str, secure: Settings, private_key: Path, mongo_client: MongoClient[dict[str, object]]
) -> None:
    """Every few requests all tokens end, and yet each record arrives."""
    key, algorithm, client_id = read_private_key(private_key)
    auth = backend_service(secure_url, ServiceKey(client_id or "", key, algorithm), "system/*.cruds")
    tokens = mongo_client[secure.database]["oauth_access_tokens"]

    def stream() -> Iterator[Submission]:
        for number in range(12):
            if number % 4 == 0:
                assert tokens.delete_many({}).deleted_count
            body = json.dumps({"resourceType": "Patient", "id": f"long-{number}"}).encode()
            path = f"Patient/long-{number}"
            yield Submission("x", "PUT", path, body, (Entry("", "Patient"),), False, True)

    report, watch = Report(), Watch()
    asyncio.run(load_into(secure_url, [stream()], report, watch, concurrency=1, auth=auth))
    assert (report.created.total(), watch.failures) == (12, [])


def test_a_token_from_standard_input_is_sent(server: object, url: str, folder: Path) -> None:
    """So that no list of processes shows it."""
    result = _loaded(folder, "--url", url, "--token-stdin", given="abc\n")
    assert result.exit_code == 0, result.output
    sent = server.requests  # type: ignore[attr-defined]
    assert {request.headers["authorization"] for request in sent} == {"Bearer abc"}


def test_what_does_not_sign_in_is_told_in_one_line(
    secure_url: str, url: str, folder: Path, tmp_path: Path
) -> None:
    """A key of nobody, a file without a key, and a server that says nothing of tokens."""
    private, _ = new_key_pair()
    write_private_key(tmp_path / "strange.jwk", private, "nobody")
    (tmp_path / "none.jwk").write_text("{}")
    (tmp_path / "anonymous.jwk").write_text(json.dumps(private))
    for key, address, message in (
        ("strange.jwk", secure_url, "invalid_client"),
        ("none.jwk", secure_url, "is no private JWK"),
        ("anonymous.jwk", secure_url, "give --client-id"),
        ("strange.jwk", url, "does not say where tokens are"),
    ):
        refused = _loaded(folder / "p.json", "--url", address, "--private-key", tmp_path / key)
        assert refused.exit_code == 1
        assert message in refused.output
        assert len(refused.output.splitlines()) == 1
        assert private["d"] not in refused.output
