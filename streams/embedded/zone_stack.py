"""A whole zone on one machine: the embedded servers, the zone's topics and its workers."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from zonepulse.schemas.messages.tasks import WHOLE
from zonepulse.streams.embedded.processes.process import ChildProcess, free_port
from zonepulse.streams.embedded.processes.supervisor import Restart
from zonepulse.streams.embedded.stack import Stack
from zonepulse.streams.kafka.topics_admin import ensure_topics

RESTART: Final = Restart(first_s=1.0, longest_s=30.0, healthy_s=60.0)


class ZoneStack(Stack):
    """A Stack that also runs workers. Topics are made for `partitions` partitions of readings."""

    def __init__(
        self,
        partitions: int,
        folder: Path | None = None,
        *,
        is_simulated: bool = False,
        restart: Restart = RESTART,
        restart_servers: Restart | None = None,
        secured: bool = False,
        broker_settings: str = "",
        brokers: int = 1,
    ) -> None:
        super().__init__(folder, restart_servers=restart_servers, secured=secured, broker_settings=broker_settings, brokers=brokers)
        self.restart = restart
        self.partitions = partitions
        self.is_simulated = is_simulated
        self.workers: dict[str, ChildProcess] = {}

    def start(self) -> None:
        """Start the servers and make the topics."""
        super().start()
        try:
            if self.broker.security is not None:
                self.broker.security.admit("zp.")
            ensure_topics(self.kafka, "zp.", self.partitions, is_simulated=self.is_simulated, replication=len(self.brokers))
        except BaseException:
            self.stop()
            raise

    @property
    def worker_environment(self) -> dict[str, str]:
        """The environment of this zone's workers."""
        return self.environment | {
            "ZONEPULSE_PARTITIONS": str(self.partitions),
            "ZONEPULSE_REPLICATION": str(len(self.brokers)),
            "ZONEPULSE_SIMULATED": "on" if self.is_simulated else "off",
            "ZONEPULSE_DATA_DIR": str(self.folder / "workers"),
        }

    def start_worker(
        self, task: str, instance: str = "0", extra: Mapping[str, str] | None = None, python: str = sys.executable
    ) -> ChildProcess:
        """Start one more worker of a task; it is started again when it dies."""
        name = f"{task}-{instance}"
        argv = [python, "-m", "zonepulse.streams.cli.main", "worker", task]
        env = self.worker_environment | {"ZONEPULSE_INSTANCE": instance, "ZONEPULSE_STATIC": "on"}
        env |= self.access_to_kafka(task) | dict(extra or {})
        self.workers[name] = self.supervise(name, argv, self.restart, env)
        return self.workers[name]

    def start_notify(self, extra: Mapping[str, str] | None = None) -> Path | None:
        """Start the worker that tells people. Without a mail server in the environment, mail goes to an inbox, which is returned."""
        if "ZONEPULSE_SMTP_HOST" in self.environment:
            self.start_worker("notify", extra=extra)
            return None
        port, inbox = free_port(), self.folder / "inbox.mbox"
        argv = [sys.executable, "-m", "zonepulse.streams.notify.inbox", str(port), str(inbox)]
        self.supervise("inbox", argv, self.restart)
        server = {
            "ZONEPULSE_SMTP_HOST": "127.0.0.1", "ZONEPULSE_SMTP_PORT": str(port), "ZONEPULSE_SMTP_SECURITY": "insecure",
            "ZONEPULSE_SMTP_FROM": "zonepulse@localhost.localdomain",
        }  # fmt: skip
        self.start_worker("notify", extra={**server, **(extra or {})})
        return inbox

    def start_workers(self) -> None:
        """One worker of each task that every zone has."""
        for task in WHOLE:
            self.start_worker(task)
