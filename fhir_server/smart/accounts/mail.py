"""The e-mails with links by which people make accounts, and set a new password."""

import asyncio
import uuid
from collections.abc import Coroutine
from typing import Any

import aiosmtplib
import structlog

from adapters.email.mail import Mail, NotAccepted
from fhir_server.settings import Settings
from fhir_server.workflows.services import mailer_of

_sending: set[asyncio.Task[None]] = set()


def deliver(work: Coroutine[Any, Any, None]) -> None:
    """Have a mail sent while nobody waits: the mail server's time would tell whether there is an account."""
    task = asyncio.create_task(_delivered(work))
    _sending.add(task)
    task.add_done_callback(_sending.discard)


async def _delivered(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except (aiosmtplib.SMTPException, OSError, ValueError) as failure:
        structlog.get_logger("fhir_server.accounts").error("mail not sent", reason=type(failure).__name__)


async def send_reset_link(settings: Settings, e_mail: str, link: str) -> None:
    """Send the link to an address; raise aiosmtplib.SMTPException, OSError or ValueError if that fails."""
    text = (
        "Somebody, probably you, wants to set a new password for your account.\n\n"
        f"{link}\n\n"
        "The link is good for 30 minutes and once. If it was not you, do nothing.\n"
    )
    await _send(settings, e_mail, "Set a new password", text)


async def send_register_link(settings: Settings, e_mail: str, link: str) -> None:
    """Send the link by which somebody who makes an account proves the address; raise as above."""
    text = (
        "Somebody, probably you, wants to make an account at the hospital with this address.\n\n"
        f"{link}\n\n"
        "The link is good for a day and once. If it was not you, do nothing.\n"
    )
    await _send(settings, e_mail, "Make your account", text)


async def send_known_notice(settings: Settings, e_mail: str, link: str) -> None:
    """Tell whoever has an account that somebody wanted to make one with the address; raise as above."""
    text = (
        "Somebody, probably you, wants to make an account at the hospital with this address. There is one "
        "already. If you forgot its password, set a new one:\n\n"
        f"{link}\n\n"
        "If it was not you, do nothing.\n"
    )
    await _send(settings, e_mail, "Your account", text)


async def _send(settings: Settings, e_mail: str, subject: str, text: str) -> None:
    mailer = mailer_of(settings)
    if mailer is None:
        raise OSError("there is no mail server")
    try:
        await mailer.send(Mail(e_mail, subject, text, str(uuid.uuid4())))
    except NotAccepted as failure:
        raise ValueError("not accepted") from failure
