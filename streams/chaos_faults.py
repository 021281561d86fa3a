"""Which faults a seed draws."""

import random
from typing import Final

from zonepulse.streams.chaos_hostile import HOSTILE_KINDS
from zonepulse.streams.chaos_kinds import Fault, Kind
from zonepulse.streams.chaos_processes import PROCESS_KINDS

KINDS: Final[tuple[Kind, ...]] = (*PROCESS_KINDS, *HOSTILE_KINDS)


def planned(seed: int, faults: int) -> list[Fault]:
    """The faults of a seed, in order of time."""
    rng = random.Random(seed)
    out = []
    for i in range(faults):
        (kind,) = rng.choices(KINDS, [kind.weight for kind in KINDS])
        share = (i + rng.uniform(0.1, 0.6)) / faults
        out.append(Fault(kind.name, rng.choice(kind.targets), share, round(rng.uniform(0.5, 12.0), 1), rng.getrandbits(31)))
    return out


def kind_of(fault: Fault) -> Kind:
    """The kind of a planned fault."""
    return next(kind for kind in KINDS if kind.name == fault.kind)
