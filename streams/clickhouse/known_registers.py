"""The registers of every registry version that a worker has seen, read again when the registry's topic has grown."""

import asyncio
from collections.abc import Callable, Iterable, Mapping

from zonepulse.schemas.registry.model import Registry


class KnownRegisters:
    """`load` reads all complete versions, `end` tells the offset behind the topic's last record. Both block."""

    def __init__(
        self, load: Callable[[], Mapping[int, Registry]], end: Callable[[], int], versions: Iterable[Registry] = ()
    ) -> None:
        self._load, self._end = load, end
        self._read_to: int | None = None
        self._names: set[str] = set()
        self._add(versions)

    def names(self) -> set[str]:
        """Each as `meter/register`."""
        return self._names

    async def refresh(self) -> bool:
        """Reads the topic if it has grown since the last time; whether it did. Raises kafka.errors.KafkaError."""
        end = await asyncio.to_thread(self._end)
        if end == self._read_to:
            return False
        self._add((await asyncio.to_thread(self._load)).values())
        self._read_to = end
        return True

    def _add(self, versions: Iterable[Registry]) -> None:
        self._names.update(f"{m.id}/{r.id}" for version in versions for m in version.meters for r in m.registers)
