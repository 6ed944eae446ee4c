"""HTTPS by the server itself: which versions and ciphers, and certificates that are renewed while it runs.

https://www.rfc-editor.org/rfc/rfc9325#section-4.2
"""

import ssl
from pathlib import Path

import structlog

# Of TLS 1.2 only what RFC 9325 recommends: keys that are forgotten after each connection, and modes that
# authenticate what they encrypt. TLS 1.3 has nothing else.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"

Fingerprint = tuple[tuple[int, int, int], ...]


class CannotUseCertificate(Exception):
    """The files with certificate and key are not usable; the message, one line, says which and why."""


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return what connections are encrypted by; raise CannotUseCertificate if the files are no such pair."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    _load(context, certificate, key)
    return context


class RenewedCertificate:
    """Gives a context the certificate anew when its files have changed; new connections use it at once."""

    def __init__(self, context: ssl.SSLContext, certificate: Path, key: Path) -> None:
        """Watch the files that `context` was made of."""
        self._context = context
        self._paths = (certificate, key)
        self._fingerprint = self._look()

    def look_again(self) -> None:
        """Use files that have changed; if they are no pair (yet), go on with the old ones and say so."""
        fingerprint = self._look()
        if fingerprint == self._fingerprint:
            return
        self._fingerprint = fingerprint
        log = structlog.get_logger()
        try:
            # Tried elsewhere first: a context that took the certificate only would refuse all connections.
            tls_context(*self._paths)
            _load(self._context, *self._paths)
        except CannotUseCertificate as failure:
            log.error("a new certificate is not usable; the old one is used", reason=str(failure))
        else:
            log.info("a new certificate is used")

    def _look(self) -> Fingerprint:
        try:
            states = [path.stat() for path in self._paths]
        except OSError:
            return ()  # they are just being replaced
        return tuple((state.st_ino, state.st_size, state.st_mtime_ns) for state in states)


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    for path in (certificate, key):
        try:
            path.read_bytes()
        except OSError as failure:
            raise CannotUseCertificate(f"{path} cannot be read ({failure.strerror})") from None
    try:
        # A key with a password would make OpenSSL ask for it at the terminal.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except ssl.SSLError as failure:
        if failure.reason == "KEY_VALUES_MISMATCH":
            raise CannotUseCertificate(f"{key} is not the key of the certificate in {certificate}") from None
        raise CannotUseCertificate(
            f"{certificate} and {key} are not a certificate and its key without a password, both in PEM"
        ) from None
