"""Everything one machine needs: Kafka, ClickHouse and the processes that use them, started, watched and stopped together."""

import os
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from zonepulse.streams.clickhouse import migrations
from zonepulse.streams.embedded.clickhouse.process import READER, WRITER, ClickHouseProcess
from zonepulse.streams.embedded.kafka.broker import Broker
from zonepulse.streams.embedded.kafka.cluster import cluster
from zonepulse.streams.embedded.processes.ending import end_in_order, heed_interrupts, hold_endings
from zonepulse.streams.embedded.processes.ports import chosen_ports, remember_ports
from zonepulse.streams.embedded.processes.process import ChildProcess, ProcessDied
from zonepulse.streams.embedded.processes.supervisor import Restart, Supervisor


@dataclass(frozen=True, slots=True)
class ClickHouseAccess:
    """What a client needs to connect. The password stays out of logs."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)


class Stack:
    """A broker and a ClickHouse endpoint under `folder`, with the migrations applied; a context manager.

    Without `folder` a temporary one is used and removed at the end; with one, every start has the ports of the first. What dies is
    reported to `on_death` (called in the supervisor's thread) and makes `check` raise; with `restart_servers` a server is started
    again. `secured`: the broker has TLS, passwords and rules; a folder that was once started so stays so. `broker_settings`: further
    lines of it. `brokers`: more than one are a cluster (kafka/cluster.py), plain and for this run alone. Everything is stopped at the
    end, whether it comes by return, exception or, when entered in the main thread, a signal (ending.py).
    """

    def __init__(
        self,
        folder: Path | None = None,
        on_death: Callable[[ProcessDied], None] | None = None,
        restart_servers: Restart | None = None,
        *,
        secured: bool = False,
        broker_settings: str = "",
        brokers: int = 1,
    ) -> None:
        self._keep = ExitStack()
        self.folder = folder.resolve() if folder else self._temporary()
        secured = secured or (self.folder / "kafka" / "security").is_dir()
        names = ("kafka", "kafka_controller", "clickhouse", *(["kafka_certificates"] if secured else []))
        self._ports = ports = chosen_ports(self.folder, names)
        one = Broker(
            self.folder / "kafka",
            ports["kafka"],
            ports["kafka_controller"],
            secured=secured,
            certificates_port=ports.get("kafka_certificates"),
            more=broker_settings,
        )
        self.brokers = [one] if brokers == 1 else cluster(self.folder, brokers, broker_settings)
        self.broker = self.brokers[0]
        self.clickhouse_process = ClickHouseProcess(self.folder / "clickhouse", self._ports["clickhouse"])
        self._restart_servers = restart_servers
        self.supervisor = Supervisor(on_death)
        self.applied: list[str] = []
        """Migrations applied by this start."""
        self._is_entered = False
        """Entered in the main thread: signals end it in order."""

    def _temporary(self) -> Path:
        return Path(self._keep.enter_context(tempfile.TemporaryDirectory(prefix="zonepulse-")))

    @property
    def kafka(self) -> str:
        """host:port of the broker, or of each."""
        return self.broker.bootstrap if len(self.brokers) == 1 else ",".join(broker.bootstrap for broker in self.brokers)

    @property
    def _servers(self) -> list[Broker | ClickHouseProcess]:
        return [*self.brokers, self.clickhouse_process]

    @property
    def clickhouse(self) -> ClickHouseAccess:
        """Of the writer; known after the start."""
        return self._access(WRITER)

    @property
    def dashboard(self) -> ClickHouseAccess:
        """Of the read-only user; known after the start."""
        return self._access(READER)

    def access_to_kafka(self, user: str) -> dict[str, str]:
        """The settings of a process that comes as this user; of a broker that asks nobody, its address alone."""
        security = self.broker.security
        return {"ZONEPULSE_BROKER": self.kafka} if security is None else security.environment(user)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a worker of this stack: this process's own and where the servers are."""
        access = self.clickhouse
        own = {name: value for name, value in os.environ.items() if not name.startswith("ZONEPULSE_BROKER")}
        return own | {
            **self.access_to_kafka("operator"),
            "ZONEPULSE_CLICKHOUSE_HOST": access.host,
            "ZONEPULSE_CLICKHOUSE_PORT": str(access.port),
            "ZONEPULSE_CLICKHOUSE_USER": access.user,
            "ZONEPULSE_CLICKHOUSE_PASSWORD": access.password,
        }

    def client(self, access: ClickHouseAccess | None = None) -> Client:
        """A clickhouse-connect client on database `zonepulse`, of the writer unless told otherwise. Close it."""
        return self._connect(access or self.clickhouse, "zonepulse")

    def start(self) -> None:
        """Starts the servers at once and applies the migrations. On failure nothing is left running."""
        try:
            with ThreadPoolExecutor(len(self._servers), "start") as pool:
                for started in [pool.submit(server.start) for server in self._servers]:
                    started.result()
            remember_ports(self.folder, self._ports)
            for server in self._servers:
                self.supervisor.watch(server.process, self._restart_servers, server.launch)
            with self._connect(self.clickhouse, "default") as client:
                self.applied = migrations.apply(client)
        except BaseException:
            self.stop()
            raise

    def supervise(
        self,
        name: str,
        argv: Sequence[str],
        restart: Restart | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> ChildProcess:
        """Starts one more process, logging to `logs/NAME.log`; `restart` says whether to start it again when it dies."""
        child = ChildProcess(name, argv, self.folder / "logs" / f"{name}.log", env if env is not None else self.environment, cwd)
        child.start()
        self.supervisor.watch(child, restart)
        return child

    def check(self) -> None:
        """Raises the ProcessDied of the first child that ended without being asked to."""
        if self.supervisor.deaths:
            raise self.supervisor.deaths[0]

    def stop(self) -> None:
        """Stops all processes, the latest first, the servers last, and removes a temporary folder. Harmless when stopped."""
        if self._is_entered:
            hold_endings()
        for child in reversed(self.supervisor.stop()):
            child.stop()
        with ThreadPoolExecutor(len(self._servers), "stop") as pool:
            for stopped in [pool.submit(server.stop) for server in self._servers]:
                stopped.result()
        self._keep.close()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            heed_interrupts()
            end_in_order(self._keep)
            self._is_entered = True
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _access(self, user: str) -> ClickHouseAccess:
        return ClickHouseAccess("127.0.0.1", self.clickhouse_process.port, user, self.clickhouse_process.password(user))

    @staticmethod
    def _connect(access: ClickHouseAccess, database: str) -> Client:
        return clickhouse_connect.get_client(
            interface="http",
            host=access.host,
            port=access.port,
            username=access.user,
            password=access.password,
            database=database,
            autogenerate_session_id=False,
        )
