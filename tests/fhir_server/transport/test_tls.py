"""HTTPS by the server itself, in one process and in several."""

import socket
import ssl
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.x509.oid import NameOID
from pymongo import MongoClient

from fhir_server.commands.serve import serve
from fhir_server.transport.tls import RenewedCertificate, tls_context
from tests.fhir_server.faults.server_process import ServerProcess, running
from tests.fhir_server.transport.certificates import write_certificate

_PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Encrypted:
    """A server with a certificate in `folder`."""

    process: ServerProcess
    folder: Path

    @property
    def trust(self) -> ssl.SSLContext:
        """What a client trusts."""
        return ssl.create_default_context(cafile=str(self.folder / "server.pem"))


@pytest.fixture(scope="module", params=[1, 2], ids=["one process", "two processes"])
def server(
    request: pytest.FixtureRequest,
    mongo_url: str,
    mongo_client: MongoClient[dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Encrypted]:
    """A server that speaks HTTPS only."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = write_certificate(folder, "first")
    name = f"tls-{uuid.uuid4().hex[:12]}"
    environment = {
        "FHIR_MONGO_URL": mongo_url,
        "FHIR_DATABASE": name,
        "FHIR_TLS_CERTIFICATE": str(certificate),
        "FHIR_TLS_KEY": str(key),
    }
    with running(folder, workers=request.param, environment=environment) as process:
        yield Encrypted(process, folder)
    mongo_client.drop_database(name)


def _name_shown(port: int) -> str:
    """Return what the certificate that a new connection gets calls itself."""
    pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=_PATIENCE_SECONDS)
    names = x509.load_pem_x509_certificate(pem.encode()).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value)


def test_requests_are_answered_over_tls(server: Encrypted) -> None:
    """A client that trusts the certificate reads; links begin with https, and HSTS is told."""
    url = f"https://localhost:{server.process.port}/fhir"
    with httpx.Client(verify=server.trust) as client:
        answer = client.get(f"{url}/Patient?_count=1")
    assert answer.status_code == 200
    assert answer.json()["link"][0]["url"].startswith(f"{url}/Patient?")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert "server" not in answer.headers


@pytest.mark.workflow("1-27")
def test_versions_and_ciphers(server: Encrypted) -> None:
    """1.2 and 1.3 are spoken, the first with forward secrecy only."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = server.trust
        context.minimum_version = context.maximum_version = version
        connection = socket.create_connection(("127.0.0.1", server.process.port))
        with context.wrap_socket(connection, server_hostname="localhost") as encrypted:
            cipher = encrypted.cipher()
            assert cipher is not None
            assert version is ssl.TLSVersion.TLSv1_3 or cipher[0].startswith("ECDHE-")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.requirement("smart-231")
@pytest.mark.parametrize(
    ("version", "ciphers"),
    [
        (ssl.TLSVersion.TLSv1, "ALL:@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_2, "AES256-SHA:AES128-GCM-SHA256:@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE+SHA256:ECDHE+SHA1:@SECLEVEL=0"),
    ],
)
def test_what_is_weak_is_not_spoken(server: Encrypted, version: ssl.TLSVersion, ciphers: str) -> None:
    """Old versions, keys without forward secrecy and modes without authentication end in the handshake."""
    context = server.trust
    context.minimum_version = context.maximum_version = version
    context.set_ciphers(ciphers)
    connection = socket.create_connection(("127.0.0.1", server.process.port))
    with connection, pytest.raises((ssl.SSLError, ConnectionResetError)):
        context.wrap_socket(connection, server_hostname="localhost")


@pytest.mark.workflow("1-27", "2-08")
def test_plain_http_is_not_answered(server: Encrypted) -> None:
    """On the port of HTTPS nothing is said in the clear."""
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{server.process.port}/fhir/metadata")


def test_a_new_certificate_is_used_without_a_restart(server: Encrypted) -> None:
    """Files that are replaced are looked at within a second or so; files that are no pair are not used."""
    assert _name_shown(server.process.port) == "first"
    (server.folder / "server.key").write_text("half a key")
    time.sleep(0.7)
    assert _name_shown(server.process.port) == "first"
    write_certificate(server.folder, "second")
    deadline = time.monotonic() + _PATIENCE_SECONDS
    shown = {_name_shown(server.process.port) for _ in range(4)}
    while shown != {"second"} and time.monotonic() < deadline:
        time.sleep(0.1)
        shown = {_name_shown(server.process.port) for _ in range(4)}
    assert shown == {"second"}


def test_a_pair_that_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    """Between the writing of one file and of the other the old pair is used."""
    certificate, key = write_certificate(tmp_path, "first")
    context = tls_context(certificate, key)
    renewed = RenewedCertificate(context, certificate, key)
    old_key = key.read_bytes()
    write_certificate(tmp_path, "second")
    new_key = key.read_bytes()
    key.write_bytes(old_key)
    renewed.look_again()
    assert _handshake(context) == "first"
    key.write_bytes(new_key)
    renewed.look_again()
    assert _handshake(context) == "second"


def _handshake(context: ssl.SSLContext) -> str:
    """Return what the certificate in `context` calls itself, by a handshake in memory."""
    client_in, client_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = ssl.create_default_context()
    asking.check_hostname = False
    asking.verify_mode = ssl.CERT_NONE
    client = asking.wrap_bio(client_in, client_out)
    server = context.wrap_bio(client_out, client_in, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    shown = client.getpeercert(binary_form=True)
    assert shown is not None
    names = x509.load_der_x509_certificate(shown).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value)


def _refusal(*arguments: str) -> str:
    outcome = CliRunner().invoke(serve, ["--port", "0", *arguments])
    assert outcome.exit_code == 1
    assert outcome.output.count("\n") == 1, outcome.output
    return outcome.output


def test_wrong_files_are_refused_at_the_start(tmp_path: Path) -> None:
    """One line says which file and why, before anything is started."""
    certificate, key = write_certificate(tmp_path, "first")
    (tmp_path / "other").mkdir()
    _, other_key = write_certificate(tmp_path / "other", "other")
    (tmp_path / "locked").mkdir()
    locked, locked_key = write_certificate(tmp_path / "locked", "locked", password=b"secret")
    empty, missing = tmp_path / "empty", tmp_path / "missing"
    empty.touch()
    pairs = [
        (certificate, missing, f"{missing} cannot be read (No such file or directory)"),
        (missing, key, f"{missing} cannot be read"),
        (certificate, other_key, f"{other_key} is not the key of the certificate in {certificate}"),
        (locked, locked_key, "without a password"),
        (empty, key, "in PEM"),
        (key, certificate, "in PEM"),
    ]
    for one, other, reason in pairs:
        assert reason in _refusal("--tls-certificate", str(one), "--tls-key", str(other))
    assert "given together" in _refusal("--tls-certificate", str(certificate))
    assert "given together" in _refusal("--tls-key", str(key))
