"""One step of a one-sided CUSUM whose limit is the longest excursion that ended, as the channel's own history has it."""

from typing import Any, Final

from zonepulse.processors.kernel import kernel

SLACK: Final = 1.0
CLIP: Final = 4.0
LONGEST: Final = 1.25


@kernel
def cusum_step(total: float, z: float) -> Any:
    """The next total: z, clipped at CLIP, less SLACK; never below 0."""
    return max(0.0, total + min(max(z, -CLIP), CLIP) - SLACK)


@kernel
def cusum_limit(floor: float, longest: float, strictness: float) -> Any:
    """From `floor`, or LONGEST times the highest excursion that has ended, whichever is more."""
    return strictness * max(floor, LONGEST * longest)
