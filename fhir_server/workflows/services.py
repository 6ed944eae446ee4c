"""What workflows use of the world outside, put together from the settings: mail, text messages, payments."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from adapters.email.folder import FolderMailer
from adapters.email.mail import Mailer
from adapters.email.smtp import SmtpMailer
from adapters.sms.folder import FolderTextGateway
from adapters.sms.http import HttpTextGateway
from adapters.sms.text import TextGateway
from fhir_server.context import Context
from fhir_server.papers.links import link_to
from fhir_server.settings import Settings

LinkTo = Callable[[Context, str, str], Awaitable[str | None]]
"""Makes the signed link to a paper (its DocumentReference), for a recipient; None if it is not about them."""


@dataclass(frozen=True, slots=True)
class Services:
    """The outside services of one process; each is None where the hospital has none."""

    mailer: Mailer | None = None
    texts: TextGateway | None = None
    link: LinkTo | None = None


def services_of(settings: Settings) -> Services:
    """Return the services that `settings` name."""
    return Services(mailer=mailer_of(settings), texts=_texts(settings), link=link_to)


def mailer_of(settings: Settings) -> Mailer | None:
    """Return what sends e-mail, None if nothing does: the folder for trials, or the mail server."""
    if settings.mail_dir is not None:
        return FolderMailer(settings.mail_dir, settings.mail_from)
    if settings.smtp_url is None:
        return None
    return SmtpMailer(settings.smtp_url.get_secret_value(), settings.mail_from)


def _texts(settings: Settings) -> TextGateway | None:
    if settings.mail_dir is not None:
        return FolderTextGateway(settings.mail_dir)
    if settings.sms_url is None:
        return None
    token = settings.sms_token
    return HttpTextGateway(settings.sms_url, None if token is None else token.get_secret_value())
