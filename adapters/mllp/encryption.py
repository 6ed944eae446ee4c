"""TLS of MLLP: certificates of both sides, as IHE's Audit Trail and Node Authentication profile wants them.

https://profiles.ihe.net/ITI/TF/Volume1/ch-9.html, https://www.rfc-editor.org/rfc/rfc9325#section-4.2
"""

import ssl
from pathlib import Path

from adapters.channels import Listener

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class CannotEncrypt(Exception):
    """Certificates, or the key, of a listener are not usable; the message, one line, says which and why."""


def server_context(listener: Listener) -> ssl.SSLContext | None:
    """Return what connections of a listener are encrypted by, None for one that is plain.

    Raises CannotEncrypt.
    """
    if listener.certificate is None or listener.key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    _load(listener.name, context, listener.certificate, listener.key)
    if listener.certificate_authorities is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(listener.certificate_authorities)
        except (OSError, ssl.SSLError):
            path = listener.certificate_authorities
            raise CannotEncrypt(f"listener {listener.name}: {path} has no certificates in PEM") from None
    return context


def _load(name: str, context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        # A key with a password would make OpenSSL ask for it at the terminal.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except (OSError, ssl.SSLError):
        raise CannotEncrypt(
            f"listener {name}: {certificate} and {key} are not a certificate and its key without a password, "
            "both in PEM"
        ) from None
