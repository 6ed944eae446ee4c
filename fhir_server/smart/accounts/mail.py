"""The e-mail with a link by which somebody sets a new password."""

from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import aiosmtplib

from fhir_server.settings import Settings

_SECONDS = 20.0


async def send_reset_link(settings: Settings, e_mail: str, link: str) -> None:
    """Send the link to an address; raise aiosmtplib.SMTPException or OSError if that fails."""
    message = EmailMessage()
    message["From"] = settings.mail_from
    message["To"] = e_mail
    message["Subject"] = "Set a new password"
    message.set_content(
        "Somebody, probably you, wants to set a new password for your account.\n\n"
        f"{link}\n\n"
        "The link is good for 30 minutes and once. If it was not you, do nothing.\n"
    )
    parts = urlsplit(settings.smtp_url.get_secret_value() if settings.smtp_url else "")
    await aiosmtplib.send(
        message,
        hostname=parts.hostname,
        port=parts.port,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        use_tls=parts.scheme == "smtps",
        timeout=_SECONDS,
    )
