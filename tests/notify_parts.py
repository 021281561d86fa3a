"""Notification's surroundings: a real SMTP server with STARTTLS and AUTH, alerts as the ledger writes them, the worker as a process."""

import email
import json
import os
import ssl
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, Session
from live_parts import produce, wait_until

from zonepulse.schemas.messages.alerts import alert_key, fingerprint
from zonepulse.schemas.values import canonical_json
from zonepulse.streams.embedded.processes.process import ChildProcess, free_port

USER, PASSWORD = "zonepulse@plant.example", "correct horse battery staple"


class MailServer:
    """Takes mail from who has the password, over TLS. `answers` are given to the next messages instead of taking them."""

    def __init__(self, folder: Path) -> None:
        self.mails: list[EmailMessage] = []
        self.answers: list[str] = []
        self.dead: set[str] = set()
        authority = trustme.CA()
        self.ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self._controller = Controller(
            self, hostname="127.0.0.1", port=free_port(), tls_context=context, require_starttls=True, auth_required=True,
            authenticator=self._authenticate,
        )  # fmt: skip

    @staticmethod
    def _authenticate(_: Any, __: Any, ___: Any, mechanism: str, login: Any) -> AuthResult:
        is_ok = (login.login, login.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=is_ok, handled=not is_ok)

    async def handle_RCPT(self, _: Any, __: Session, envelope: Envelope, address: str, ___: Any) -> str:
        if address in self.dead:
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: Any, __: Session, envelope: Envelope) -> str:
        if self.answers:
            return self.answers.pop(0)
        self.mails.append(email.message_from_bytes(envelope.content or b"", policy=default))  # type: ignore[arg-type]
        return "250 OK"

    def start(self) -> None:
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop(no_assert=True)

    @property
    def port(self) -> int:
        return int(self._controller.port)

    def environment(self) -> dict[str, str]:
        return {
            "ZONEPULSE_SMTP_HOST": "127.0.0.1",
            "ZONEPULSE_SMTP_PORT": str(self.port),
            "ZONEPULSE_SMTP_USER": USER,
            "ZONEPULSE_SMTP_PASSWORD": PASSWORD,
            "SSL_CERT_FILE": str(self.ca_file),
        }

    def to(self, address: str) -> list[EmailMessage]:
        return [mail for mail in self.mails if mail["To"] == address]

    def wait_for(self, address: str, count: int, timeout_s: float = 30) -> list[EmailMessage]:
        wait_until(lambda: len(self.to(address)) >= count, timeout_s, f"{count} mails to {address}, only {len(self.to(address))}")
        return self.to(address)


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def html_of(mail: EmailMessage) -> str:
    body = mail.get_body(("html",))
    assert body is not None
    return str(body.get_content())


def transition(rule: str = "silent_channel", state: str = "raised", revision: int = 1, **facts: Any) -> dict[str, Any]:
    """A row as the ledger writes it; `labels` by its facts."""
    starts_at = facts.pop("starts_at", 1_790_000_100_000)
    labels = {k: str(v) for k, v in facts.items() if k in ("company", "meter", "node") and v}
    return {
        "zone": "z", "fingerprint": fingerprint({"zone": "z", "rule": rule, **labels}), "starts_at": starts_at, "rule": rule,
        "severity": "warning", "state": state, "company": "", "meter": "", "node": "", "ends_at": None, "value": None,
        "expected_low": None, "expected_high": None, "impact_kg": None, "evidence": "{}", "revision": revision, **facts,
    }  # fmt: skip


def send_alerts(bootstrap: str, prefix: str, *rows: Mapping[str, Any]) -> None:
    records = [(0, alert_key(row["fingerprint"], row["starts_at"]), canonical_json(row).encode(), [], None) for row in rows]
    produce(bootstrap, f"{prefix}alerts", records)


@contextmanager
def notify_worker(bootstrap: str, prefix: str, folder: Path, **variables: str) -> Iterator[ChildProcess]:
    """The worker with short waits; ended at the end of the block."""
    environment = {
        **os.environ,
        "ZONEPULSE_BROKER": bootstrap,
        "ZONEPULSE_TOPIC_PREFIX": prefix,
        "ZONEPULSE_DATA_DIR": str(folder / "data"),
        "ZONEPULSE_NOTIFY_WAIT_S": "1",
        "ZONEPULSE_NOTIFY_INTERVAL_S": "2",
        **variables,
    }
    argv = [sys.executable, "-m", "zonepulse.streams.cli.main", "worker", "notify"]
    child = ChildProcess("notify", argv, folder / f"notify-{time.monotonic_ns()}.log", environment)
    child.start()
    try:
        yield child
    finally:
        child.stop()


def dumps(value: Any) -> bytes:
    return json.dumps(value).encode()
