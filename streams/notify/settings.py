"""What an installation chooses about notification, read from `ZONEPULSE_*`. Secrets come from a variable or from the file that
`..._FILE` names, never from zone.yaml.

| variable | |
|---|---|
| SMTP_HOST, SMTP_PORT, SMTP_USER, SMTP_PASSWORD, SMTP_SECURITY, SMTP_FROM | the mail server; security: starttls (default), ssl, insecure |
| CHANNEL_NAME | an apprise URL, such as wecombot://KEY: `channel:name` of a subscriber |
| WEBHOOK_NAME, WEBHOOK_NAME_KEYS | an address, and its signing keys `id:secret`, the newest first, separated by blanks: `webhook:name` |
| ALERTMANAGER_URL | Alertmanager's address, which gets every alert again each minute |
| WATCHDOG_URL | asked each minute while notification works: its silence is the alarm |
| PUBLIC_URL, LINK_KEYS, LINKS_PORT | where links lead, keys to sign them with (the newest first), where this worker answers |
| GRAFANA_URL, BOARD_URL | for links |
| NOTIFY_WAIT_S, NOTIFY_INTERVAL_S, NOTIFY_REPEAT_S | a group waits (30), speaks at most once in (300), repeats after (14400) |
| NOTIFY_OPERATIONS_S | between two requests to Alertmanager and the watchdog (60) |
| DELIVERIES_DAYS | how long the store keeps the delivery log (400) |
| TEMPLATES | a folder with own mail.html.j2 and mail.txt.j2 |
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from zonepulse.streams.settings import PREFIX, BadSetting

SECURITY: Final = ("starttls", "ssl", "insecure")
MOST_OPERATIONS_S: Final = 150
"""Half of how far ahead Alertmanager is told that an alert ends: one lost request must not end it."""


@dataclass(frozen=True, slots=True)
class Mail:
    """The mail server. `host` '' = there is none."""

    host: str = ""
    port: int = 587
    user: str = ""
    password: str = field(default="", repr=False)
    security: str = "starttls"
    """starttls, ssl or insecure."""
    sender: str = ""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver of ours. `keys`: (id, secret), the newest first; each signs, so that a receiver may change keys at leisure."""

    url: str
    keys: tuple[tuple[str, str], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """All of it."""

    mail: Mail = Mail()
    channels: Mapping[str, str] = field(default_factory=dict, repr=False)
    webhooks: Mapping[str, Webhook] = field(default_factory=dict)
    alertmanager_url: str = ""
    watchdog_url: str = field(default="", repr=False)
    public_url: str = ""
    link_keys: tuple[str, ...] = field(default=(), repr=False)
    links_port: int = 0
    grafana_url: str = ""
    board_url: str = ""
    templates: Path | None = None
    pace_s: tuple[int, int, int] = (30, 300, 14_400)
    operations_s: int = 60
    deliveries_days: int = 400

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "NotifySettings":
        """Settings of an environment. Raises BadSetting."""
        read = _Environment(environ)
        public_url, link_keys = read.url("PUBLIC_URL"), tuple(read.secret("LINK_KEYS").split())
        if public_url and not link_keys:
            raise BadSetting(f"{PREFIX}PUBLIC_URL is set and {PREFIX}LINK_KEYS is not: links need a key of 32 characters or more")
        if any(len(key) < 32 for key in link_keys):
            raise BadSetting(f"{PREFIX}LINK_KEYS has a key of fewer than 32 characters: make one with `openssl rand -hex 32`")
        templates = environ.get(PREFIX + "TEMPLATES")
        return cls(
            mail=_mail(read),
            channels={name: value for name, value in read.named("CHANNEL_").items()},
            webhooks=_webhooks(read),
            alertmanager_url=read.url("ALERTMANAGER_URL"),
            watchdog_url=read.url("WATCHDOG_URL"),
            public_url=public_url,
            link_keys=link_keys,
            links_port=read.port("LINKS_PORT", 0),
            grafana_url=read.url("GRAFANA_URL"),
            board_url=read.url("BOARD_URL"),
            operations_s=read.whole("NOTIFY_OPERATIONS_S", 60, MOST_OPERATIONS_S, "seconds"),
            deliveries_days=read.whole("DELIVERIES_DAYS", 400, 36_500, "days"),
            templates=Path(templates) if templates else None,
            pace_s=(
                read.seconds("NOTIFY_WAIT_S", 30),
                read.seconds("NOTIFY_INTERVAL_S", 300),
                read.seconds("NOTIFY_REPEAT_S", 14_400),
            ),
        )


class _Environment:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str = "") -> str:
        return self._environ.get(PREFIX + name, default)

    def secret(self, name: str) -> str:
        """The variable, or what stands in the file that `..._FILE` names."""
        file = self._environ.get(f"{PREFIX}{name}_FILE")
        if file is None:
            return self.text(name)
        try:
            return Path(file).read_text("utf-8").strip()
        except OSError as error:
            raise BadSetting(f"{PREFIX}{name}_FILE names {file!r}, which cannot be read: {error.strerror}") from error

    def port(self, name: str, default: int) -> int:
        text = self.text(name, str(default))
        if not (text.isdecimal() and len(text) < 6 and int(text) < 65_536):
            raise BadSetting(f"{PREFIX}{name} is {text[:100]!r}, expected a port number")
        return int(text)

    def whole(self, name: str, default: int, most: int, unit: str) -> int:
        text = self.text(name, str(default))
        if not (text.isdecimal() and len(text) < 8 and 0 < int(text) <= most):
            raise BadSetting(f"{PREFIX}{name} is {text[:100]!r}, expected whole {unit} from 1 to {most}")
        return int(text)

    def seconds(self, name: str, default: int) -> int:
        return self.whole(name, default, 7 * 86_400, "seconds")

    def url(self, name: str) -> str:
        text = self.secret(name).rstrip("/")
        if text and not text.startswith(("http://", "https://")):
            raise BadSetting(f"{PREFIX}{name} is {text[:100]!r}, expected an address that begins with https:// or http://")
        return text

    def named(self, prefix: str) -> dict[str, str]:
        """`CHANNEL_OPS_ROBOT` (or its _FILE) -> ops-robot: value."""
        names = {
            key.removeprefix(PREFIX + prefix).removesuffix("_FILE") for key in self._environ if key.startswith(PREFIX + prefix)
        }
        return {name.lower().replace("_", "-"): self.secret(prefix + name) for name in sorted(names)}


def _mail(read: _Environment) -> Mail:
    security = read.text("SMTP_SECURITY", "starttls")
    if security not in SECURITY:
        raise BadSetting(f"{PREFIX}SMTP_SECURITY is {security!r}, expected {', '.join(SECURITY)}")
    host, user = read.text("SMTP_HOST"), read.text("SMTP_USER")
    sender = read.text("SMTP_FROM") or (user if "@" in user else "")
    if host and ("@" not in sender or any(c in sender for c in "\r\n,<>")):
        raise BadSetting(f"{PREFIX}SMTP_FROM is {sender!r}, expected the address that messages come from")
    return Mail(
        host, read.port("SMTP_PORT", 465 if security == "ssl" else 587), user, read.secret("SMTP_PASSWORD"), security, sender
    )


def _webhooks(read: _Environment) -> dict[str, Webhook]:
    found = {}
    values = read.named("WEBHOOK_")
    for name, url in values.items():
        if name.endswith("-keys"):
            continue
        variable = name.upper().replace("-", "_")
        keys = tuple((word.partition(":")[0], word.partition(":")[2]) for word in values.get(f"{name}-keys", "").split())
        if not url.startswith(("http://", "https://")):
            raise BadSetting(f"{PREFIX}WEBHOOK_{variable} is {url[:100]!r}, expected an address")
        if not keys or any(not key or len(secret) < 16 for key, secret in keys):
            raise BadSetting(f"{PREFIX}WEBHOOK_{variable}_KEYS: write id:secret of 16 characters or more, the newest first")
        found[name] = Webhook(url, keys)
    return found
