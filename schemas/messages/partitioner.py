"""Which partition of zp.readings a meter's readings go to: Kafka's default partitioner (murmur2) of the zone's key.

Source: org.apache.kafka.common.utils.Utils.murmur2 and toPositive; librdkafka calls it `murmur2_random`.
"""

from typing import Final

from zonepulse.schemas.registry.model import MeterVersion, ZonePolicy

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_R: Final = 24
_U32: Final = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit murmur2 hash as Java's signed int."""
    h = _SEED ^ len(data)
    whole = len(data) & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * _M & _U32
        h = (h * _M & _U32) ^ ((k ^ k >> _R) * _M & _U32)
    if whole < len(data):
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _U32
    h = (h ^ h >> 13) * _M & _U32
    h ^= h >> 15
    return h - (1 << 32) if h >> 31 else h


def partition_of(key: str, partitions: int) -> int:
    """The partition of a record with this key among `partitions` (at least 1)."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def partition_key(policy: ZonePolicy, version: MeterVersion) -> str:
    """The key that a meter's readings carry: its gateway (its site where it has none), its site, or the meter itself."""
    if policy.key == "gateway":
        return version.gateway or version.site
    return version.site if policy.key == "site" else version.id
