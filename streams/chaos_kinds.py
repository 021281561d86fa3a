"""What a fault of `zonepulse chaos` is: a kind says how often it is drawn, what it strikes, and what it does.

A further kind is a module with its `Kind`s and their entry in chaos_faults.KINDS.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from zonepulse.streams.demo_run import Feed
from zonepulse.streams.embedded.zone_stack import ZoneStack

PARTITIONS: Final = 4
WORKERS: Final = (("intervals", 2), ("ledger", 2), ("store", 1))
WORKER_NAMES: Final = tuple(f"{task}-{number}" for task, count in WORKERS for number in range(count))
SERVERS: Final = ("broker", "clickhouse")
Place = tuple[str, int, int]
"""Topic (full name), partition, offset."""


class ChaosStuck(RuntimeError):
    """The zone did not come back, or answered otherwise than it must; the message says what, and how the workers are."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`share` of the stream after which it strikes; `seconds` that a pause lasts or a server stays away; `seed` of what it makes up."""

    kind: str
    target: str
    share: float
    seconds: float
    seed: int = 0


class Zone(Protocol):
    """What a fault may touch."""

    stack: ZoneStack
    feed: Feed
    aside: set[Place]
    """Records that must become dead letters and that the oracle does not know."""

    def wait(self, holds: Callable[[], bool], what: str, patience_s: float = ...) -> None:
        """Returns when it holds. Raises ChaosStuck."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`weight`: how often it is drawn, to one another. `lasts`: whether `seconds` mean something."""

    name: str
    weight: int
    targets: tuple[str, ...]
    strike: Callable[[Zone, Fault], None] = field(compare=False)
    lasts: bool = True
