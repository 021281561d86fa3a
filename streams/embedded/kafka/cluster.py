"""Several brokers on one machine that hold copies for one another: what a cluster does when one of them dies can be tried on it."""

from pathlib import Path

from zonepulse.streams.embedded.kafka.broker import Broker, new_cluster
from zonepulse.streams.embedded.processes.process import free_port


def min_insync(brokers: int) -> int:
    """So many copies must have a record before it counts: with one broker away nothing stands still."""
    return max(1, brokers - 1)


def cluster(folder: Path, brokers: int, more: str = "") -> list[Broker]:
    """Brokers under `folder` that are not started yet, each a controller too, plain, with ports of this run. Start them at once: none
    answers before most of them are there.
    """
    name, controllers = new_cluster(), [free_port() for _ in range(brokers)]
    voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in enumerate(controllers, 1))
    shared = f"{_copies(brokers)}controller.quorum.voters={voters}\n{more}"
    return [
        Broker(folder / f"kafka-{node}", controller_port=port, cluster=name, more=f"{shared}\nnode.id={node}")
        for node, port in enumerate(controllers, 1)
    ]


def _copies(brokers: int) -> str:
    """Lines that take the place of server.properties', which are for one node."""
    least = min_insync(brokers)
    return "\n".join(
        f"{name}={value}"
        for name, value in {
            "default.replication.factor": brokers,
            "min.insync.replicas": least,
            "offsets.topic.replication.factor": brokers,
            "transaction.state.log.replication.factor": brokers,
            "transaction.state.log.min.isr": least,
            "share.coordinator.state.topic.replication.factor": brokers,
            "share.coordinator.state.topic.min.isr": least,
        }.items()
    ) + "\n"  # fmt: skip
