"""Apache Kafka's jars, fetched once from Maven Central into the user's cache, and held against deploy/kafka/jars.sha256.

That file is made with `sha256sum *.jar` in the folder of jars: anew when pom.xml changes, and looked at before it is committed.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

JAVA_MIN: Final = 17
_FETCH_TIMEOUT_S: Final = 600


class WrongJars(RuntimeError):
    """The jars are not those of deploy/kafka/jars.sha256; the message names folder, jar and remedy."""


class MissingTool(RuntimeError):
    """Java or Maven is missing or too old; the message says how to install it."""


def deploy_text(name: str) -> str:
    """A file of deploy/kafka."""
    return files("zonepulse.deploy").joinpath("kafka", name).read_text("utf-8")


def find_java() -> str:
    """Path of a Java 17 or newer: the one in `$JAVA_HOME`, else on PATH. Raises MissingTool."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(str(Path(home, "bin", "java"))) if home else shutil.which("java")
    remedy = "install it (Debian: apt-get install default-jdk-headless) or set JAVA_HOME"
    if java is None:
        raise MissingTool(f"the embedded Kafka needs Java {JAVA_MIN} or newer and there is no `java` in {home or 'PATH'}: {remedy}")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', told)
    if version is None or int(version[1]) < JAVA_MIN:
        raise MissingTool(f"the embedded Kafka needs Java {JAVA_MIN} or newer, {java} is {told.splitlines()[:1]}: {remedy}")
    return java


def kafka_jars(cache: Path) -> Path:
    """The folder of jars for deploy/kafka/pom.xml, fetched with Maven unless it is there. Raises MissingTool, WrongJars, RuntimeError.

    The folder is named after the pom's hash and appears complete or not at all, also when several processes fetch at once. Every start
    looks at every jar: whoever may write the cache could otherwise run code as this user.
    """
    pom = deploy_text("pom.xml")
    folder = cache / f"kafka-{hashlib.sha256(pom.encode()).hexdigest()[:16]}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="fetch-") as work:
            jars = _fetch(Path(work))
            require_known(jars)
            _publish(jars, folder)
    require_known(folder)
    return folder


def require_known(folder: Path, known: str | None = None) -> None:
    """Raises WrongJars unless `folder` holds exactly the jars of `known` (lines of sha256sum; default: deploy/kafka/jars.sha256)."""
    lines = (deploy_text("jars.sha256") if known is None else known).splitlines()
    expected = {name: digest for digest, name in (line.split() for line in lines)}
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in sorted(folder.glob("*.jar"))}
    wrong = [name for name in sorted(expected.keys() | found.keys()) if expected.get(name) != found.get(name)]
    if wrong:
        name = wrong[0]
        what = "is missing" if name not in found else "is not known" if name not in expected else f"has sha256 {found[name]}"
        raise WrongJars(
            f"{folder / name} {what} (deploy/kafka/jars.sha256; {len(wrong)} of {len(expected)} jars differ): remove {folder}, and it is"
            " fetched again"
        )


def _fetch(work: Path) -> Path:
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingTool(
            "the embedded Kafka is fetched with Maven, and there is no `mvn` on PATH: install it (Debian: apt-get install maven)"
        )
    with as_file(files("zonepulse.deploy").joinpath("kafka", "pom.xml")) as pom:
        shutil.copy(pom, work / "pom.xml")
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={work / 'jars'}"]
    command = [maven, "-q", "-B", "-C", "-f", str(work / "pom.xml"), *goal]  # -C: a wrong checksum fails
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
