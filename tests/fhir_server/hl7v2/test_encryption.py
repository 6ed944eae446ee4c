"""MLLP with certificates of both sides: who is let in, and for which channel."""

import ssl
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adapters.channels import Channels, Listener
from adapters.mllp.encryption import CannotEncrypt, server_context
from fhir_server.settings import Settings
from tests.adapters.senders import Sender, adt, code, connected
from tests.fhir_server.hl7v2.conftest import ADT
from tests.fhir_server.hl7v2.hospital import running

_PEM = serialization.Encoding.PEM


class Authority:
    """A certificate authority of the hospital's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Invented CA")])
        certificate = self._certificate(self._name, self._key, is_authority=True)
        self.path = folder / f"ca-{uuid.uuid4().hex}.pem"
        self.path.write_bytes(certificate.public_bytes(_PEM))

    def issue(self, name: str) -> tuple[Path, Path]:
        """Return files with a certificate for `name` and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._certificate(subject, key, is_authority=False)
        paths = self._folder / f"{name}-{uuid.uuid4().hex}.pem", self._folder / f"{uuid.uuid4().hex}-key.pem"
        paths[0].write_bytes(certificate.public_bytes(_PEM))
        private, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        paths[1].write_bytes(key.private_bytes(_PEM, private, plain))
        return paths

    def _certificate(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_authority: bool
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(self._name, subject, key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        constraints = x509.BasicConstraints(ca=is_authority, path_length=None)
        return builder.add_extension(constraints, critical=True).sign(self._key, hashes.SHA256())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who vouches for the systems of the hospital."""
    return Authority(tmp_path_factory.mktemp("certificates"))


def _listener(authority: Authority) -> Listener:
    certificate, key = authority.issue("hospital")
    return Listener("tls", "127.0.0.1", 0, certificate, key, authority.path)


def _context(authority: Authority, pair: tuple[Path, Path] | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.path))
    context.check_hostname = False
    if pair is not None:
        context.load_cert_chain(*pair)
    return context


def test_a_certificate_says_who_sends(settings: Settings, authority: Authority) -> None:
    """The CN that a channel names is let in, another one is not."""
    channels = Channels((replace(ADT, peers=("cn=lab",)),), (_listener(authority),))
    with running(settings, channels) as hospital:
        with (
            connected(hospital.port) as plain,
            _context(authority, authority.issue("lab")).wrap_socket(plain.socket) as encrypted,
        ):
            assert code(Sender(encrypted).ask(adt(uuid.uuid4().hex[:12]))) == "AA"
        with (
            connected(hospital.port) as plain,
            _context(authority, authority.issue("stranger")).wrap_socket(plain.socket) as encrypted,
        ):
            assert Sender(encrypted).is_closed()


def test_without_a_certificate_nobody_is_let_in(
    settings: Settings, authority: Authority, tmp_path: Path
) -> None:
    """Neither without one, nor with one of another authority, nor without encryption."""
    channels = Channels((ADT,), (_listener(authority),))
    other = Authority(tmp_path)
    with running(settings, channels) as hospital:
        for pair in (None, other.issue("lab")):
            assert _is_refused(hospital.port, _context(authority, pair))
        with connected(hospital.port) as plain, pytest.raises((OSError, EOFError)):
            plain.ask(adt("1"))


def test_a_new_certificate_is_used_without_a_start_anew(settings: Settings, authority: Authority) -> None:
    """Connections are days long, and certificates too: who connects later is shown the new one."""
    listener = _listener(authority)
    assert listener.certificate is not None
    assert listener.key is not None
    renewed = authority.issue("hospital-renewed")
    with running(settings, Channels((ADT,), (listener,))) as hospital:
        pair = authority.issue("lab")
        assert _shown(hospital.port, _context(authority, pair)) == "hospital"
        listener.key.write_bytes(renewed[1].read_bytes())
        listener.certificate.write_bytes(renewed[0].read_bytes())
        give_up = time.monotonic() + 60
        while _shown(hospital.port, _context(authority, pair)) != "hospital-renewed":
            assert time.monotonic() < give_up
            time.sleep(0.1)


def _shown(port: int, context: ssl.SSLContext) -> str:
    """Return the name in the certificate that the server shows."""
    with connected(port) as plain, context.wrap_socket(plain.socket) as encrypted:
        shown = encrypted.getpeercert(binary_form=True)
        assert shown is not None
        (name,) = x509.load_der_x509_certificate(shown).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(name.value)


def _is_refused(port: int, context: ssl.SSLContext) -> bool:
    # In TLS 1.3 a client hears of it with the first answer.
    with connected(port) as plain:
        try:
            with context.wrap_socket(plain.socket) as encrypted:
                Sender(encrypted).ask(adt("1"))
        except (OSError, EOFError):
            return True
    return False


def test_certificates_that_cannot_be_used_are_told_at_the_start(authority: Authority, tmp_path: Path) -> None:
    """With the listener and the files."""
    certificate, key = authority.issue("hospital")
    _, other_key = authority.issue("other")
    with pytest.raises(CannotEncrypt, match="listener tls"):
        server_context(Listener("tls", "127.0.0.1", 0, certificate, other_key))
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("")
    with pytest.raises(CannotEncrypt, match="no certificates"):
        server_context(Listener("tls", "127.0.0.1", 0, certificate, key, nothing))
