"""What an e-mail is, and who sends it: https://www.rfc-editor.org/rfc/rfc5322"""

from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, localtime
from typing import Protocol


class NotAccepted(Exception):
    """The other side will not take a message for this address, however often it is tried."""


@dataclass(frozen=True, slots=True)
class Mail:
    """An e-mail to one address, as plain text.

    `key` makes its Message-ID: the same mail that is sent again, as after a crash, can be recognised by it.
    """

    to: str
    subject: str
    text: str
    key: str

    def as_message(self, sender: str) -> EmailMessage:
        """Return the mail as it is sent; raise ValueError if an address or the subject is none."""
        message = EmailMessage()
        message["From"] = sender
        message["To"] = self.to
        message["Subject"] = self.subject
        message["Date"] = format_datetime(localtime())
        message["Message-ID"] = f"<{self.key}@{sender.rpartition('@')[2]}>"
        # That no answering machine answers: https://www.rfc-editor.org/rfc/rfc3834#section-5
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(self.text)
        return message


class Mailer(Protocol):
    """Sends e-mail."""

    async def send(self, mail: Mail) -> None:
        """Send it; raise NotAccepted if it is of no use to try again, and any other error if it may be."""
