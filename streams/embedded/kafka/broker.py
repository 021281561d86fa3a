"""A real Apache Kafka broker (KRaft) as a child process, on loopback."""

import base64
import subprocess
import uuid
import warnings
from pathlib import Path
from string import Template
from typing import Final

from kafka.errors import KafkaError

from zonepulse.streams.access.address import connection_to
from zonepulse.streams.embedded.kafka.jars import deploy_text, find_java, kafka_jars
from zonepulse.streams.embedded.kafka.secured import OPERATOR, Secured
from zonepulse.streams.embedded.processes.private_files import write_private
from zonepulse.streams.embedded.processes.process import TAIL_LINES, ChildProcess, free_port, is_listening, locked, require_free
from zonepulse.streams.settings import cache_folder

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # kafka-python reads its protocol through importlib.resources.read_text
    from kafka import KafkaAdminClient

MAX_MESSAGE_BYTES: Final = 10 * 1024 * 1024
READY_TIMEOUT_S: Final = 180.0
STOP_TIMEOUT_S: Final = 15.0
_HEAP: Final = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true")


def new_cluster() -> str:
    """An id, as Kafka writes it."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "0", 1)


class Broker:
    """Apache Kafka in `folder` (made if missing): its data, its settings and its log `broker.log`.

    Ports are free ones unless given. `secured`: with TLS, passwords and rules; `more`: further settings of the broker, a line each.
    `cluster`: the id of the cluster that it is formatted for. After `stop`, or a kill, `start` continues with the same data and ports.
    Starting raises MissingTool (Java, Maven), PortTaken, FolderTaken, ProcessDied or NotReady.
    """

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        controller_port: int | None = None,
        cache: Path | None = None,
        *,
        secured: bool = False,
        certificates_port: int | None = None,
        more: str = "",
        cluster: str | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.port = port or free_port()
        self.controller_port = controller_port or free_port()
        self.security = Secured(self.folder / "security", self.port, certificates_port or free_port()) if secured else None
        self._more, self._cluster = more, cluster or new_cluster()
        self._cache = cache or cache_folder()
        self.process = ChildProcess("Kafka broker", (), self.folder / "broker.log")

    @property
    def bootstrap(self) -> str:
        """host:port for clients; of a secured broker with the access of its operator."""
        return f"127.0.0.1:{self.port}" if self.security is None else self.security.address(OPERATOR)

    @property
    def pid(self) -> int:
        """Process id of the Java process."""
        return self.process.pid

    def start(self) -> None:
        """Fetches the jars and formats the data folder if need be, starts the broker, returns when it answers metadata requests."""
        self.launch()
        self.process.wait_or_stop(self._answers, READY_TIMEOUT_S)
        if self.security is not None:
            self.security.set_passwords([OPERATOR])

    def launch(self) -> None:
        """As `start`, and returns when the process runs."""
        require_free(self.process.name, self.port)
        java = [find_java(), *_HEAP, "-cp", f"{kafka_jars(self._cache)}/*"]
        with locked(self.process.name, self.folder) as lock:
            self._write_settings()
            java.append(f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}")
            if not (self.folder / "data" / "meta.properties").exists():
                self._format(java)
            self.process.argv = (*java, "kafka.Kafka", str(self.folder / "server.properties"))
            self.process.start(keep=(lock,))

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Ends the broker cleanly, by force after `timeout_s`. Harmless if it does not run."""
        self.process.stop(timeout_s)

    def log_tail(self, lines: int = TAIL_LINES) -> str:
        """The last lines of its log."""
        return self.process.log_tail(lines)

    def _write_settings(self) -> None:
        filled = Template(deploy_text("server.properties")).substitute(
            port=self.port,
            controller_port=self.controller_port,
            log_dir=self.folder / "data",
            max_message_bytes=MAX_MESSAGE_BYTES,
        )
        if self.security is not None:
            filled += self.security.settings(self.controller_port)
        write_private(self.folder / "server.properties", f"{filled}{self._more}\n".encode())
        write_private(self.folder / "log4j2.properties", deploy_text("log4j2.properties").encode())

    def _format(self, java: list[str]) -> None:
        command = [*java, "kafka.tools.StorageTool", "format", "-t", self._cluster, "-c", str(self.folder / "server.properties")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=READY_TIMEOUT_S, umask=0o077)
        if done.returncode != 0:
            told = (done.stdout + done.stderr)[-3000:]
            raise RuntimeError(f"Kafka cannot format {self.folder / 'data'} (exit code {done.returncode}):\n{told}")

    def _answers(self) -> bool:
        if not is_listening(self.port):  # kafka-python leaks a socket for every refused connection
            return False
        try:
            address = self.bootstrap if self.security is None else self.security.admin()
            admin = KafkaAdminClient(**connection_to(address), request_timeout_ms=3000, bootstrap_timeout_ms=1000)
        except KafkaError:
            return False
        try:
            return bool(admin.describe_cluster()["brokers"])
        except KafkaError:
            return False
        finally:
            admin.close()
