"""Apache Kafka's jars, fetched once from Maven Central into the user's cache."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

JAVA_MIN: Final = 17
_FETCH_TIMEOUT_S: Final = 600


class MissingTool(RuntimeError):
    """Java or Maven is missing or too old; the message says how to install it."""


def deploy_text(name: str) -> str:
    """A file of deploy/kafka."""
    return files("zonepulse.deploy").joinpath("kafka", name).read_text("utf-8")


def cache_folder(environ: Mapping[str, str]) -> Path:
    """`$ZONEPULSE_CACHE`, else `$XDG_CACHE_HOME/zonepulse`, else `~/.cache/zonepulse`."""
    if environ.get("ZONEPULSE_CACHE"):
        return Path(environ["ZONEPULSE_CACHE"])
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "zonepulse"


def find_java() -> str:
    """Path of a Java 17 or newer: the one in `$JAVA_HOME`, else on PATH. Raises MissingTool."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(str(Path(home, "bin", "java"))) if home else shutil.which("java")
    remedy = "install it (Debian: apt-get install openjdk-17-jre-headless) or set JAVA_HOME"
    if java is None:
        raise MissingTool(f"the embedded Kafka needs Java {JAVA_MIN} or newer and there is no `java` in {home or 'PATH'}: {remedy}")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', told)
    if version is None or int(version[1]) < JAVA_MIN:
        raise MissingTool(f"the embedded Kafka needs Java {JAVA_MIN} or newer, {java} is {told.splitlines()[:1]}: {remedy}")
    return java


def kafka_jars(cache: Path) -> Path:
    """The folder of jars for deploy/kafka/pom.xml, fetched with Maven unless it is there. Raises MissingTool, RuntimeError.

    The folder is named after the pom's hash and appears complete or not at all, also when several processes fetch at once.
    """
    pom = deploy_text("pom.xml")
    folder = cache / f"kafka-{hashlib.sha256(pom.encode()).hexdigest()[:16]}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="fetch-") as work:
            _publish(_fetch(Path(work)), folder)
    return folder


def _fetch(work: Path) -> Path:
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingTool(
            "the embedded Kafka is fetched with Maven, and there is no `mvn` on PATH: install it (Debian: apt-get install maven)"
        )
    with as_file(files("zonepulse.deploy").joinpath("kafka", "pom.xml")) as pom:
        shutil.copy(pom, work / "pom.xml")
    command = [maven, "-q", "-B", "-f", str(work / "pom.xml"), "dependency:copy-dependencies", f"-DoutputDirectory={work / 'jars'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_TIMEOUT_S)
    if done.returncode != 0:
        told = (done.stdout + done.stderr)[-3000:]
        raise RuntimeError(f"Maven could not fetch the embedded Kafka (exit code {done.returncode}):\n{told}")
    return work / "jars"


def _publish(jars: Path, folder: Path) -> None:
    """Renaming is atomic; whoever comes second keeps what the first one put there."""
    try:
        jars.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
