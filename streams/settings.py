"""What an installation chooses, read once from `ZONEPULSE_*` and passed down."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import platformdirs

from zonepulse.streams.access.address import MECHANISMS, PROTOCOLS, Access, Address
from zonepulse.streams.access.tls import Files

T = TypeVar("T")
PREFIX: Final = "ZONEPULSE_"
MOST_PARTITIONS: Final = 100_000
_FILES: Final = ("BROKER_CA", "BROKER_CERT", "BROKER_KEY")
_NAMES: Final = {
    "BROKER_USER": "name the user that the broker knows",
    "BROKER_PASSWORD": "set it, or better ZONEPULSE_BROKER_PASSWORD_FILE to a file that only this user may read",
}
_TOKEN: Final = {"BROKER_TOKEN_COMMAND": "name a command that prints a token of the identity provider"}
_SWITCH: Final = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}


class BadSetting(ValueError):
    """A setting cannot be read; the message names the variable, its value and what is expected."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One zone's workers. Each field is `ZONEPULSE_<FIELD>` in the environment; durations in seconds."""

    broker: str = "127.0.0.1:9092"
    """host:port, several separated by commas; with the access to it, from the `ZONEPULSE_BROKER_*` below: `Address`."""
    topic_prefix: str = "zp."
    clickhouse_host: str = "127.0.0.1"
    clickhouse_port: int = 8123
    clickhouse_user: str = "default"
    clickhouse_password: str = ""
    """From `ZONEPULSE_CLICKHOUSE_PASSWORD`, or the file that `ZONEPULSE_CLICKHOUSE_PASSWORD_FILE` names."""
    zone_file: Path = Path("zone.yaml")
    partitions: int = 4
    """Of the readings topic; chosen once."""
    instance: str = "0"
    """Tells workers of one kind apart in logs and metrics."""
    session_timeout_s: float = 6.0
    """After this silence a worker's partitions go to another one."""
    data_dir: Path = Path("data")
    log_level: str = "INFO"
    metrics_port: int = 0
    """0 = no metrics server."""
    is_simulated: bool = False
    """From `ZONEPULSE_SIMULATED`: the producer sets the topics' times and sends the heartbeats (demo, bench, tests)."""
    raw_batches: bool = True
    """Read hot topics as raw record batches; off = as the client's own records: slower, with the same result."""
    is_static: bool = False
    """From `ZONEPULSE_STATIC`: a worker that comes back under its `instance` within the session timeout gets its partitions back
    at once. Every worker of a kind then needs an instance of its own, or they shut each other out."""
    replication: int = 1
    """Copies of the checkpoint topics, which workers make; take as many as the brokers keep of the other topics."""
    stall_s: float = 60.0
    """A worker that handles nothing for so long although there is work ends, to be started again."""
    waiting_rows: int = 1_000_000
    """So many rows (of 88 bytes) may wait in the ledger for the slowest partition; further ones stay in Kafka until it has come nearer."""
    archive: str = ""
    """Folder or URL (s3://bucket/path, ...) that the worker `archive` writes and `replay` reads; '' = no archive."""
    archive_age_s: float = 600.0
    """How long a record waits at most until it is in a file of the archive."""
    metrics_host: str = "127.0.0.1"
    """Where metrics are served. They ask nobody who he is: elsewhere than on loopback, only behind a wall (a NetworkPolicy)."""
    clickhouse_tls: bool = False
    """HTTPS, the server's name checked."""
    clickhouse_ca: Path | None = None
    """The authority's certificate (PEM) that signed the server's; None: the machine's own list."""

    def __repr__(self) -> str:
        clickhouse = f"{self.clickhouse_host}:{self.clickhouse_port}"
        return f"Settings(broker={self.broker!r}, clickhouse={clickhouse!r}, topic_prefix={self.topic_prefix!r})"  # no password

    @property
    def store(self) -> dict[str, Any]:
        """What every client of ClickHouse (`clickhouse_connect.get_client`) is given to connect."""
        found: dict[str, Any] = {
            "interface": "https" if self.clickhouse_tls else "http",
            "host": self.clickhouse_host,
            "port": self.clickhouse_port,
            "username": self.clickhouse_user,
            "password": self.clickhouse_password,
            "autogenerate_session_id": False,
        }
        return found | ({"ca_cert": str(self.clickhouse_ca)} if self.clickhouse_ca is not None else {})

    @property
    def last_words_s(self) -> float:
        """How long a worker may take for final snapshots when its partitions go to another one."""
        return 0.6 * self.session_timeout_s

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Settings of an environment; what is absent keeps its default. Raises BadSetting."""
        default = cls()
        is_tls, ca = _store_tls(environ)
        return cls(
            broker=Address(environ.get(PREFIX + "BROKER", default.broker), _access(environ)),
            topic_prefix=environ.get(PREFIX + "TOPIC_PREFIX", default.topic_prefix),
            clickhouse_host=environ.get(PREFIX + "CLICKHOUSE_HOST", default.clickhouse_host),
            clickhouse_port=_read(environ, "CLICKHOUSE_PORT", _whole(1, 65_535), default.clickhouse_port, "a port number"),
            clickhouse_user=environ.get(PREFIX + "CLICKHOUSE_USER", default.clickhouse_user),
            clickhouse_password=_secret(environ, "CLICKHOUSE_PASSWORD"),
            clickhouse_tls=is_tls,
            clickhouse_ca=ca,
            zone_file=Path(environ.get(PREFIX + "ZONE_FILE", default.zone_file)),
            partitions=_read(
                environ, "PARTITIONS", _whole(1, MOST_PARTITIONS), default.partitions, "a whole number from 1 to 100000"
            ),
            instance=environ.get(PREFIX + "INSTANCE", default.instance),
            replication=_read(environ, "REPLICATION", _whole(1, 32_767), default.replication, "a whole number from 1 to 32767"),
            stall_s=_read(environ, "STALL_S", _seconds, default.stall_s, "seconds, more than 0"),
            waiting_rows=_read(
                environ, "WAITING_ROWS", _whole(1, 10**9), default.waiting_rows, "a whole number from 1 to 1000000000"
            ),
            archive=environ.get(PREFIX + "ARCHIVE", default.archive),
            archive_age_s=_read(environ, "ARCHIVE_AGE_S", _seconds, default.archive_age_s, "seconds, more than 0"),
            metrics_host=environ.get(PREFIX + "METRICS_HOST", default.metrics_host),
            is_static=_read(environ, "STATIC", _switch, default.is_static, "on or off"),
            session_timeout_s=_read(environ, "SESSION_TIMEOUT_S", _seconds, default.session_timeout_s, "seconds, more than 0"),
            data_dir=Path(environ.get(PREFIX + "DATA_DIR", default.data_dir)),
            log_level=environ.get(PREFIX + "LOG_LEVEL", default.log_level).upper(),
            metrics_port=_read(environ, "METRICS_PORT", _whole(0, 65_535), default.metrics_port, "a port number, 0 = off"),
            is_simulated=_read(environ, "SIMULATED", _switch, default.is_simulated, "on or off"),
            raw_batches=_read(environ, "RAW_BATCHES", _switch, default.raw_batches, "on or off"),
        )


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text)
        if not low <= number <= high:
            raise ValueError
        return number

    return parse


def _one_of(words: Sequence[str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        return words[words.index(text.upper())]

    return parse


def _seconds(text: str) -> float:
    number = float(text)
    if not (math.isfinite(number) and number > 0):
        raise ValueError
    return number


def _switch(text: str) -> bool:
    return _SWITCH[text.lower()]


def _read(environ: Mapping[str, str], name: str, parse: Callable[[str], T], default: T, expected: str) -> T:
    text = environ.get(PREFIX + name)
    if text is None:
        return default
    try:
        return parse(text)
    except (ValueError, KeyError):
        raise BadSetting(f"{PREFIX}{name} is {text[:100]!r}, expected {expected}") from None


def _secret(environ: Mapping[str, str], name: str) -> str:
    """From the variable, or the file that the variable `<name>_FILE` names; '' = none."""
    file = environ.get(f"{PREFIX}{name}_FILE")
    if file is None:
        return environ.get(PREFIX + name, "")
    try:
        return Path(file).read_text("utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise BadSetting(f"{PREFIX}{name}_FILE names {file!r}, which cannot be read: {why}") from error


def _store_tls(environ: Mapping[str, str]) -> tuple[bool, Path | None]:
    """Whether ClickHouse is asked by TLS, and the authority. Raises BadSetting: nothing is sent in clear by mistake."""
    is_tls = _read(environ, "CLICKHOUSE_TLS", _switch, False, "on or off")
    ca = environ.get(PREFIX + "CLICKHOUSE_CA")
    if ca and not is_tls:
        raise BadSetting(f"{PREFIX}CLICKHOUSE_CA is set, and {PREFIX}CLICKHOUSE_TLS is off, which does not use it: set that to on")
    if ca and not Path(ca).is_file():
        raise BadSetting(f"{PREFIX}CLICKHOUSE_CA names {ca!r}, which is no file: name the authority's certificate (PEM)")
    return is_tls, Path(ca) if ca else None


def _access(environ: Mapping[str, str]) -> Access:
    """How to get in at the broker. Raises BadSetting, also where two of them contradict each other: nothing is sent in clear by mistake."""
    asked = (*_FILES, *_NAMES, *_TOKEN)
    given = {name for name in asked if environ.get(f"{PREFIX}{name}") or environ.get(f"{PREFIX}{name}_FILE")}
    protocol = _read(environ, "BROKER_SECURITY", _one_of(PROTOCOLS), PROTOCOLS[0], f"one of {', '.join(PROTOCOLS)}")
    files = {name: Path(environ[PREFIX + name]) if name in given else None for name in _FILES}
    access = Access(
        protocol,
        _read(environ, "BROKER_MECHANISM", _one_of(MECHANISMS), MECHANISMS[0], f"one of {', '.join(MECHANISMS)}"),
        environ.get(PREFIX + "BROKER_USER", ""),
        _secret(environ, "BROKER_PASSWORD"),
        Files(files["BROKER_CA"], files["BROKER_CERT"], files["BROKER_KEY"], _secret(environ, "BROKER_KEY_PASSWORD")),
        environ.get(PREFIX + "BROKER_TOKEN_COMMAND", ""),
    )
    wanted = _TOKEN if access.has_token else _NAMES if access.has_password else {}
    used = {*wanted} | ({*_FILES} if access.is_encrypted else set[str]())
    if unused := sorted(given - used):
        if wanted and unused[0] not in _FILES:
            raise BadSetting(
                f"{PREFIX}{unused[0]} is set, and {PREFIX}BROKER_MECHANISM is {access.mechanism}, which does not use it"
            )
        shown = given & {*_NAMES, *_TOKEN}
        fits = [p for p in PROTOCOLS if ("SSL" in p or not given & {*_FILES}) and (p.startswith("SASL") or not shown)]
        raise BadSetting(
            f"{PREFIX}{unused[0]} is set, and {PREFIX}BROKER_SECURITY is {protocol}, which does not use it: set that to {' or '.join(fits)}"
        )
    for name, remedy in wanted.items():
        if name not in given:
            why = (
                f"{PREFIX}BROKER_MECHANISM is {access.mechanism}" if access.has_token else f"{PREFIX}BROKER_SECURITY is {protocol}"
            )
            raise BadSetting(f"{why}, and {PREFIX}{name} is not set: {remedy}")
    if (access.files.cert is None) != (access.files.key is None):
        there, missing = ("CERT", "KEY") if access.files.key is None else ("KEY", "CERT")
        raise BadSetting(f"{PREFIX}BROKER_{there} is set without {PREFIX}BROKER_{missing}: a certificate and its key come together")
    return access


def cache_folder() -> Path:
    """What can be made or fetched again: `$ZONEPULSE_CACHE`, else zonepulse's folder among this user's caches."""
    return Path(os.environ.get("ZONEPULSE_CACHE") or platformdirs.user_cache_path("zonepulse"))
