"""The registry versions that a worker needs, compiled; channel numbers keep their meaning from version to version."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Final

from zonepulse.processors.channels import Channels, channel_names, compile_registry
from zonepulse.schemas.registry import Registry
from zonepulse.streams.watchdog import Pulse

POLL_S: Final = 0.5
PATIENCE_S: Final = 60.0
log = logging.getLogger(__name__)


class RegistryMissing(RuntimeError):
    """A version that the log names, or any at all, was never published."""


class RegistryStore:
    """Versions by number, each read and compiled when it is first asked for, and given up by `keep`."""

    def __init__(
        self, load: Callable[[], Mapping[int, Registry]], partitions: int, versions: Mapping[int, Registry] | None = None
    ) -> None:
        """`load` returns every complete version on the registry topic; it may block and is called in a thread. `versions` is what it
        has returned already: a large registry is read once."""
        self._load = load
        self._partitions = partitions
        self._read: dict[int, Registry] = {}
        self._compiled: dict[int, Channels] = {}
        self._names: dict[tuple[str, str], int] = {}
        """Of all channels that any version has, with their numbers."""
        self._channels: dict[int, int] = {}
        """Version -> how many channels it and the versions before it have: the first so many."""
        self._working = asyncio.Lock()
        self.pulse: Pulse | None = None
        """Told while a version is waited for: the time-out here says what is missing, the watchdog would only see that nothing moves."""
        self._learn(versions or {})

    @property
    def held(self) -> set[int]:
        """The versions that are compiled."""
        return set(self._compiled)

    async def first(self) -> Channels:
        """The earliest version; waits until one is published."""
        while not self._channels:
            await self._refresh()
            if not self._channels:
                log.warning("no registry is published yet; publish one with `zonepulse registry apply zone.yaml`")
                await asyncio.sleep(POLL_S)
        return await self.version(min(self._channels))

    async def version(self, number: int) -> Channels:
        """One version; waits for it, then raises RegistryMissing."""
        for _ in range(int(PATIENCE_S / POLL_S)):
            async with self._working:
                if number in self._compiled:
                    return self._compiled[number]
                self._beat()
                if number in self._read:
                    await asyncio.to_thread(self.compile, number)
                    self._beat()
                    return self._compiled[number]
            await self._refresh()
            if number not in self._read:
                await asyncio.sleep(POLL_S)
        raise RegistryMissing(f"registry version {number} is named in the log but not on the registry topic; publish it again")

    def keep(self, numbers: Collection[int]) -> None:
        """These versions are in use; others are given up, and read again should the log name them."""
        self._compiled = {n: channels for n, channels in self._compiled.items() if n in numbers}
        self._read.clear()

    def compile(self, number: int | None = None) -> None:
        """Compiles a version that was read, by default the newest."""
        if number is None:
            number = max(self._read)
        before = max((n for n in self._channels if n < number), default=None)
        names = list(self._names)[: 0 if before is None else self._channels[before]]
        self._compiled[number] = compile_registry(self._read.pop(number), self._partitions, names)

    async def _refresh(self) -> None:
        async with self._working:
            self._learn(await asyncio.to_thread(self._load))
        self._beat()

    def _learn(self, versions: Mapping[int, Registry]) -> None:
        """Versions that were read: those that are not compiled are kept, and channels get their numbers."""
        for number, registry in sorted(versions.items()):
            if number not in self._channels:
                for name in channel_names(registry):
                    self._names.setdefault(name, len(self._names))
                self._channels[number] = len(self._names)
            if number not in self._compiled:
                self._read[number] = registry

    def _beat(self) -> None:
        if self.pulse is not None:
            self.pulse.beat()
