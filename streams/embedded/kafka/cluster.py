"""Three brokers on one machine that hold copies for one another: what a cluster does when one of them dies can be tried on it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from zonepulse.streams.embedded.kafka.broker import Broker, new_cluster
from zonepulse.streams.embedded.processes.process import free_port

SIZE: Final = 3
MIN_INSYNC: Final = 2
_COPIES: Final = f"""
default.replication.factor={SIZE}
min.insync.replicas={MIN_INSYNC}
offsets.topic.replication.factor={SIZE}
transaction.state.log.replication.factor={SIZE}
transaction.state.log.min.isr={MIN_INSYNC}
share.coordinator.state.topic.replication.factor={SIZE}
share.coordinator.state.topic.min.isr={MIN_INSYNC}
"""


class Cluster:
    """Brokers under `folder`, each a controller too. A record counts when `MIN_INSYNC` of them have it."""

    def __init__(self, folder: Path) -> None:
        cluster, controllers = new_cluster(), [free_port() for _ in range(SIZE)]
        voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in enumerate(controllers, 1))
        self.brokers = [
            Broker(
                folder / f"kafka-{node}",
                controller_port=port,
                cluster=cluster,
                more=f"{_COPIES}node.id={node}\ncontroller.quorum.voters={voters}",
            )
            for node, port in enumerate(controllers, 1)
        ]

    @property
    def bootstrap(self) -> str:
        """host:port of each."""
        return ",".join(broker.bootstrap for broker in self.brokers)

    def start(self) -> None:
        """All at once, since none answers before most of them are there."""
        self._each(Broker.start)

    def stop(self) -> None:
        """All of them. Harmless if they do not run."""
        self._each(Broker.stop)

    def _each(self, what: Callable[[Broker], object]) -> None:
        with ThreadPoolExecutor(SIZE, "cluster") as pool:
            for done in [pool.submit(what, broker) for broker in self.brokers]:
                done.result()
