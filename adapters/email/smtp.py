"""E-mail by a mail server: https://www.rfc-editor.org/rfc/rfc5321, with TLS wherever the server offers it."""

from urllib.parse import unquote, urlsplit

import aiosmtplib

from adapters.email.mail import Mail, NotAccepted

_SECONDS = 20.0
_PERMANENT = 500


class SmtpMailer:
    """Sends by one mail server, each mail in a connection of its own."""

    def __init__(self, url: str, sender: str) -> None:
        """Send by `url` (`smtp://user:password@host:587`, `smtps://...`), from the address `sender`."""
        self._parts = urlsplit(url)
        self._sender = sender

    async def send(self, mail: Mail) -> None:
        """Send it; raise NotAccepted, or aiosmtplib.SMTPException or OSError if it may go well later."""
        try:
            message = mail.as_message(self._sender)
        except ValueError as failure:
            raise NotAccepted("no address") from failure
        parts = self._parts
        try:
            await aiosmtplib.send(
                message,
                hostname=parts.hostname,
                port=parts.port,
                username=unquote(parts.username) if parts.username else None,
                password=unquote(parts.password) if parts.password else None,
                use_tls=parts.scheme == "smtps",
                timeout=_SECONDS,
            )
        except aiosmtplib.SMTPRecipientsRefused as failure:
            if all(one.code >= _PERMANENT for one in failure.recipients):
                raise NotAccepted("refused") from failure
            raise
        except aiosmtplib.SMTPDataError as failure:
            if failure.code >= _PERMANENT:
                raise NotAccepted("refused") from failure
            raise
