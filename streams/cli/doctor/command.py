"""`zonepulse doctor`: is everything here that zonepulse needs? Each check says what was found and, if need be, how to mend it."""

import hashlib
import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import psutil
import typer
from packaging.requirements import Requirement
from rich.text import Text

from zonepulse.streams import servers
from zonepulse.streams.cli.doctor.checks import Check, State, enough
from zonepulse.streams.cli.doctor.servers import broker, store
from zonepulse.streams.embedded.kafka.jars import MissingTool, deploy_text, find_java
from zonepulse.streams.embedded.processes.process import free_port, is_listening
from zonepulse.streams.exit_codes import FAILED
from zonepulse.streams.kernels.cache import VARIABLE
from zonepulse.streams.reports.fonts import what_is_missing
from zonepulse.streams.screen import JsonOption, console, exit_code, explain, print_json, say
from zonepulse.streams.settings import PREFIX, BadSetting, Settings, cache_folder

PYTHONS: Final = ((3, 11), (3, 14))
GIB: Final = 1 << 30
MEMORY_GIB: Final = (3.0, 1.5)
"""Available memory: below the first a warning, below the second a failure. Broker 0.5, ClickHouse 0.7, workers 0.3 each."""
DISK_GIB: Final = (10.0, 1.0)
_STYLES: Final = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(json: JsonOption = False) -> None:
    """Check this machine, its settings and its servers, and say how to mend what is wrong. Exit code 1 if something fails."""
    checks: list[Check] = []
    for check in all_checks():
        checks.append(check)
        if not json:
            show(check)
    counts = {state: sum(c.state == state for c in checks) for state in _STYLES}
    if json:
        print_json({"checks": [c._asdict() for c in checks], **counts})
    else:
        say(f"{counts['ok']} ok, {counts['warn']} warnings, {counts['fail']} failures")
    if counts["fail"]:
        raise typer.Exit(FAILED)


def show(check: Check) -> None:
    """One check for people."""
    line = Text.assemble((f"{check.state:<5}", _STYLES[check.state]), (f"{check.name:<14}", "bold"), check.found)
    line = Text.assemble(line, f"; {check.remedy}" if check.remedy else "")
    console().print(line, soft_wrap=True)


def all_checks() -> Iterator[Check]:
    """Every check in order; one that breaks is a failure and not the end."""
    for name, check in (("python", python), ("libraries", libraries), ("java", java), ("maven", maven), ("memory", memory)):
        yield from guarded(name, check)
    yield from guarded("kernel cache", kernel_cache)
    yield from guarded("reports", reports)
    try:
        settings = servers.settings()
    except BadSetting as bad:
        yield Check("settings", "fail", str(bad), "correct or unset it")
        return
    yield Check("settings", "ok", repr(settings))
    of_settings: tuple[tuple[str, Callable[[Settings], Iterator[Check]]], ...] = (
        ("disk", disk), ("ports", ports), ("broker", broker), ("store", store),
    )  # fmt: skip
    for name, check_settings in of_settings:
        yield from guarded(name, partial(check_settings, settings))


def guarded(name: str, check: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """The check's lines; an error that explains itself becomes one."""
    try:
        yield from check()
    except Exception as error:
        if exit_code(error) is None:
            raise
        yield Check(name, "fail", explain(error).replace("\n", "; "))


def python() -> Iterator[Check]:
    """3.11 to 3.13."""
    version, (first, last) = sys.version_info[:2], PYTHONS
    good = first <= version < last
    found = f"{sys.version.split()[0]} in {sys.prefix}"
    yield Check("python", "ok" if good else "fail", found, "" if good else "install Python 3.11, 3.12 or 3.13")


def libraries() -> Iterator[Check]:
    """Installed versions against those that this version of zonepulse asks for."""
    asked = importlib.metadata.requires("zonepulse") or []
    wrong = [line for line in map(_wrong_version, asked) if line]
    remedy = "install the locked versions: make setup, or pip install --require-hashes -r requirements.lock"
    if wrong:
        yield Check("libraries", "fail", ", ".join(wrong), remedy)
    else:
        yield Check(
            "libraries", "ok", f"zonepulse {importlib.metadata.version('zonepulse')} and {len(asked)} libraries as asked for"
        )


def _wrong_version(requirement: str) -> str | None:
    """What is wrong with a requirement such as `aiokafka==0.14.0`; None where it is met."""
    asked = Requirement(requirement)
    if asked.marker is not None and not asked.marker.evaluate():
        return None
    try:
        installed = importlib.metadata.version(asked.name)
    except importlib.metadata.PackageNotFoundError:
        return f"{asked.name} is missing"
    is_met = asked.specifier.contains(installed, prereleases=True)
    return None if is_met else f"{asked.name} is {installed}, asked for is {asked.specifier}"


def java() -> Iterator[Check]:
    """For the embedded broker."""
    try:
        yield Check("java", "ok", find_java())
    except MissingTool as missing:
        yield Check("java", _needed_for_broker(), str(missing))


def maven() -> Iterator[Check]:
    """Only to fetch the broker's jars, once."""
    if kafka_is_cached():
        yield Check("maven", "ok", f"not needed: Apache Kafka is in {cache_folder()}")
    elif found := shutil.which("mvn"):
        yield Check("maven", "ok", f"{found}; the first `zonepulse up` or `demo` fetches Apache Kafka (54 MB)")
    else:
        yield Check("maven", _needed_for_broker(), "no `mvn` on PATH, and Apache Kafka is not cached", "apt-get install maven")


def kafka_is_cached() -> bool:
    """Whether the jars are there already."""
    digest = hashlib.sha256(deploy_text("pom.xml").encode()).hexdigest()[:16]
    return (cache_folder() / f"kafka-{digest}").is_dir()


def _needed_for_broker() -> State:
    """A failure, unless a broker elsewhere is configured."""
    return "warn" if PREFIX + "BROKER" in os.environ else "fail"


def memory() -> Iterator[Check]:
    """What is available now."""
    memory = psutil.virtual_memory()
    found = f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB available"
    yield enough("memory", memory.available / GIB, MEMORY_GIB, found, "the embedded stack needs about 2 GiB: end other programs")


def disk(settings: Settings) -> Iterator[Check]:
    """Where data are kept."""
    folder = next(p for p in (settings.data_dir.absolute(), *settings.data_dir.absolute().parents) if p.exists())
    free = shutil.disk_usage(folder).free / GIB
    remedy = "free some, or set ZONEPULSE_DATA_DIR to a larger disk"
    yield enough("disk", free, DISK_GIB, f"{free:.1f} GiB free in {folder}", remedy)
    if not os.access(folder, os.W_OK):
        yield Check("disk", "fail", f"{folder} cannot be written", "set ZONEPULSE_DATA_DIR to a folder of your own")


def kernel_cache() -> Iterator[Check]:
    """Compiled kernels are kept, or every start takes half a minute longer."""
    folder = Path(os.environ[VARIABLE])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    compiled = len(list(folder.glob("*/*.nbc"))) if folder.is_dir() else 0
    found = f"{folder}, {compiled} kernels" if compiled else f"{folder}, empty: the first run compiles for half a minute"
    remedy = f"{VARIABLE} or ZONEPULSE_CACHE must name a folder that can be written, or each start compiles anew"
    yield Check("kernel cache", "ok" if writable else "warn", found, "" if writable else remedy)


def reports() -> Iterator[Check]:
    """For reports as PDF."""
    missing = what_is_missing()
    if missing is None:
        yield Check("reports", "ok", "PDF with Chinese characters")
    else:
        yield Check("reports", "warn", missing[0], f"{missing[1]} (only for `zonepulse report --format pdf`)")


def ports(settings: Settings) -> Iterator[Check]:
    """Of this machine: loopback must work, and the port of the metrics must be free."""
    yield Check("ports", "ok", f"127.0.0.1 gives free ports, such as {free_port()}")
    if settings.metrics_port and is_listening(settings.metrics_port):
        found = f"ZONEPULSE_METRICS_PORT={settings.metrics_port} is in use"
        yield Check("ports", "warn", found, "by a worker that runs already, or choose another one")
