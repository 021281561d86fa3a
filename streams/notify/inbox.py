"""An inbox on this machine: a mail server on loopback that appends what it gets to an mbox, so that messages can be seen without another.

`python -m zonepulse.streams.notify.inbox PORT MBOX`; any mail reader opens the file.
"""

import mailbox
import signal
import sys
import threading
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope, Session


class Inbox:
    """Takes every mail."""

    def __init__(self, file: Path) -> None:
        self._box = mailbox.mbox(file)

    async def handle_DATA(self, _: Any, __: Session, envelope: Envelope) -> str:
        """A mail is in the file before its sender hears that it was taken."""
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content or "").encode()
        self._box.lock()
        try:
            self._box.add(content)
            self._box.flush()
        finally:
            self._box.unlock()
        return "250 taken"


def messages(file: Path) -> list[tuple[str, str]]:
    """Subject and plain text of each mail in an inbox, in the order in which they came; none where it is not there."""
    if not file.exists():
        return []
    found = []
    for one in mailbox.mbox(file):
        mail = message_from_bytes(one.as_bytes(), policy=default)
        body = mail.get_body(("plain",))
        found.append((str(mail["Subject"]), str(body.get_content()) if body is not None else ""))
    return found


def main(port: int, file: Path) -> None:
    """Serves until a signal."""
    controller = Controller(Inbox(file), hostname="127.0.0.1", port=port)
    controller.start()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    controller.stop(no_assert=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
