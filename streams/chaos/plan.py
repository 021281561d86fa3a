"""Which faults strike when: a function of the seed."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from zonepulse.streams.chaos.run import Chaos

SECONDS_A_FAULT: Final = 8.0
"""The stream lasts at least this long for every fault."""
SHORT_S: Final = (0.5, 12.0)
"""How long most faults last."""


Place = tuple[str, int, int]
"""Topic (full name), partition, offset."""


class ChaosStuck(RuntimeError):
    """The zone did not come back, or answered otherwise than it must; the message says what stands still and how the workers are."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`share` of the stream after which it strikes; `seconds` that it lasts, where it lasts."""

    kind: str
    target: str
    share: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: what it strikes (one of `targets`), how often beside others (`weight`), how long it lasts, and `strike`,
    which returns when it is over; a fault `without_end` is over at once.
    """

    name: str
    weight: float
    targets: tuple[str, ...]
    strike: Callable[["Chaos", Fault], None]
    seconds: tuple[float, float] = SHORT_S
    without_end: bool = False


def planned(seed: int, faults: int, kinds: Sequence[Kind], longest_s: float = math.inf) -> list[Fault]:
    """The faults of a seed, in order of time, none longer than `longest_s`. Where there are as many faults as kinds, each kind strikes."""
    rng = random.Random(seed)
    chosen = rng.sample(list(kinds), len(kinds)) if faults >= len(kinds) else []
    chosen += rng.choices(list(kinds), [kind.weight for kind in kinds], k=faults - len(chosen))
    rng.shuffle(chosen)
    return [
        Fault(
            kind.name,
            rng.choice(kind.targets),
            (i + rng.uniform(0.1, 0.6)) / faults,
            round(min(longest_s, rng.uniform(*kind.seconds)), 1),
        )
        for i, kind in enumerate(chosen)
    ]


def stream_seconds(faults: Sequence[Fault]) -> float:
    """How long the stream should last: long enough for every fault and what it lasts."""
    return max(1.0, sum(max(SECONDS_A_FAULT, fault.seconds) for fault in faults))
