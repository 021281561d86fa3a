"""E-mail: a message with plain text, HTML and its picture inside, through apprise's SMTP session (STARTTLS or TLS, AUTH).

The message is ours, not apprise's: its Message-ID is made of the idempotency key, so that a mail reader folds a message that came twice,
References thread an alert's life, and List-Unsubscribe lets a mail reader offer to stop.
"""

import re
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from zonepulse.streams.notify.channels.apprise_log import errors_of
from zonepulse.streams.notify.messages.pages import Message
from zonepulse.streams.notify.messages.words import clean
from zonepulse.streams.notify.routing.results import SENT, Result
from zonepulse.streams.notify.settings import Mail

TIMEOUT_S: Final = 20
PICTURE: Final = "last-24-hours.png"
_PERMANENT: Final = re.compile(r"(?:refused: |\()55[013]\b")
"""No such mailbox here, not local, no such name."""
_HOST: Final = re.compile(r"[^a-z0-9.-]+")


def build(
    message: Message, to: str, sender: str, zone: str, key: str, thread: str, made_at_ms: int, unsubscribe_link: str = ""
) -> EmailMessage:
    """The mail. `key` and `thread` name it and what it belongs to; header values are foreign text cut to one line."""
    domain = _HOST.sub("-", sender.rpartition("@")[2].lower()) or "localhost"
    mail = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    mail["Subject"] = message.subject
    mail["From"] = Address(clean(f"zonepulse {zone}", 60), addr_spec=sender)
    mail["To"] = to
    mail["Date"] = format_datetime(datetime.fromtimestamp(made_at_ms / 1000, UTC))
    mail["Message-ID"] = f"<{key}@{domain}>"
    if thread:
        mail["References"] = mail["In-Reply-To"] = f"<{thread}.thread@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Zonepulse-Key"] = key
    if unsubscribe_link:
        mail["List-Unsubscribe"] = f"<{unsubscribe_link}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.set_content(message.text)
    mail.add_alternative(message.html, subtype="html")
    if message.picture:
        html = mail.get_payload()[1]  # type: ignore[index]
        html.add_related(message.picture, "image", "png", cid=f"<{PICTURE}>", filename=PICTURE)  # type: ignore[union-attr]
    return mail


def send(mail: EmailMessage, to: str, server: Mail) -> Result:
    """Hands the mail to the server. Blocks."""
    from apprise.plugins.email.smtp import (  # takes half a second, for commands that send nothing
        SMTP_EXCEPTIONS,
        AppriseSMTPController,
    )

    if not server.host:
        return Result("failed", "no mail server: set ZONEPULSE_SMTP_HOST and ZONEPULSE_SMTP_FROM")
    with errors_of(server.password) as errors:
        try:
            with AppriseSMTPController(
                host=server.host,
                port=server.port,
                secure_mode=server.security,
                user=server.user or None,
                password=server.password or None,
                socket_connect_timeout=TIMEOUT_S,
            ) as session:
                if session.sendmail(server.sender, [to], mail.as_string()):
                    return SENT
        except SMTP_EXCEPTIONS as error:
            return Result("failed", errors.hide(f"{type(error).__name__}: {error}"))
    told = errors.text or "the mail server took no message"
    return Result("refused" if _PERMANENT.search(told) else "failed", told)
