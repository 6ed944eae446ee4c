"""The e-mail with a link by which somebody sets a new password."""

import uuid

from adapters.email.mail import Mail, NotAccepted
from fhir_server.settings import Settings
from fhir_server.workflows.services import mailer_of


async def send_reset_link(settings: Settings, e_mail: str, link: str) -> None:
    """Send the link to an address; raise aiosmtplib.SMTPException, OSError or ValueError if that fails."""
    mailer = mailer_of(settings)
    if mailer is None:
        raise OSError("there is no mail server")
    text = (
        "Somebody, probably you, wants to set a new password for your account.\n\n"
        f"{link}\n\n"
        "The link is good for 30 minutes and once. If it was not you, do nothing.\n"
    )
    try:
        await mailer.send(Mail(e_mail, "Set a new password", text, str(uuid.uuid4())))
    except NotAccepted as failure:
        raise ValueError("not accepted") from failure
