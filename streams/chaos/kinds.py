"""Everything that may strike."""

from typing import Final

from zonepulse.streams.chaos import flow, hostile, parts, replays
from zonepulse.streams.chaos.plan import Kind

KINDS: Final[tuple[Kind, ...]] = (*parts.KINDS, *flow.KINDS, *hostile.KINDS, *replays.KINDS)
BY_NAME: Final = {kind.name: kind for kind in KINDS}
