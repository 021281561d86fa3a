"""Which version of a channel answers a reading. Versions are those of one channel, in order of time (table.VERSION)."""

from zonepulse.processors.channels.periods import period_end, snapped
from zonepulse.processors.channels.table import INTERVAL, POWER
from zonepulse.processors.channels.version import Version, Versions
from zonepulse.processors.flow import Table
from zonepulse.processors.kernel import kernel

VERSION_SHIFT = 48
"""Above it, `meta` of a ring's reading holds 1 + the position of the version that answered the time sent; of periods only."""


@kernel
def version_at(versions: Versions, ts: int) -> int:
    """Position of the version valid at `ts`, -1 if none."""
    for v in range(len(versions)):
        if versions[v].valid_from <= ts < versions[v].valid_to:
            return v
    return -1


@kernel
def version_of(versions: Versions, ts: int) -> int:
    """The version that answers a reading stamped `ts`: on a validity edge a power sample begins the later, others end the earlier."""
    for v in range(len(versions)):
        if versions[v].valid_from < ts < versions[v].valid_to:
            return v
    v = version_at(versions, ts)
    if v >= 0 and (versions[v].kind == POWER or versions[v].valid_from < ts):
        return v
    before = version_at(versions, ts - 1)
    return before if before >= 0 else v


@kernel
def is_begun(version: Version) -> bool:
    """Whether its readings name the begin of their period."""
    return version.kind == INTERVAL and version.stamp == 1


@kernel
def answering(versions: Versions, ts: int, meta: int) -> int:
    """The version that answers a reading of the ring: of a period, the one that answered the time sent."""
    v = meta >> VERSION_SHIFT
    return v - 1 if v > 0 else version_of(versions, ts)


@kernel
def chain_end(versions: Versions, v: int) -> int:
    """Where the versions end that follow each other at once from `v` on."""
    end = versions[v].valid_to
    for k in range(v + 1, len(versions)):
        if versions[k].valid_from != end:
            break
        end = versions[k].valid_to
    return end


@kernel
def sent_version(versions: Versions, ts: int) -> int:
    """The version that answers the time that was sent: on a validity edge one that stamps the begin of its periods begins."""
    v = version_at(versions, ts)
    return v if v >= 0 and is_begun(versions[v]) else version_of(versions, ts)


@kernel
def key_of(version: Version, clock: Table, ts: int) -> tuple[int, int]:
    """(edge of the period's grid that is nearest to the time sent, the reading's key: the end of its period)."""
    if version.kind != INTERVAL:
        return ts, ts
    edge = snapped(clock, version, ts)
    return edge, period_end(clock, version, edge) if version.stamp == 1 else edge
