"""The registry versions that a worker needs, compiled; channel numbers keep their meaning from version to version."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

from zonepulse.processors.channels.table import Channels, channel_names, compile_registry
from zonepulse.schemas.registry.model import Registry
from zonepulse.streams.health.watchdog import Pulse

POLL_S: Final = 0.5
PATIENCE_S: Final = 60.0
log = logging.getLogger(__name__)


class RegistryMissing(RuntimeError):
    """A version that the log names, or any at all, was never published."""


class RegistryStore:
    """Versions by number, each read and compiled when it is first asked for, and given up by `keep`."""

    def __init__(
        self,
        load: Callable[[], Mapping[int, Registry]],
        partitions: int,
        versions: Mapping[int, Registry] | None = None,
        end: Callable[[], int] | None = None,
    ) -> None:
        """`load` returns every complete version on the registry topic, `end` the offset behind the topic's last record; both may block
        and are called in a thread. `versions` is what `load` has returned already: a large registry is read once."""
        self._load = load
        self._partitions = partitions
        self._read: dict[int, Registry] = {}
        self._compiled: dict[int, Channels] = {}
        self._names: dict[tuple[str, str], int] = {}
        """Of all channels that any version has, with their numbers."""
        self._channels: dict[int, int] = {}
        """Version -> how many channels it and the versions before it have: the first so many."""
        self._working = asyncio.Lock()
        self._end = end
        self._read_to: int | None = None
        self._useless: set[int] = set()
        """Versions that cannot be compiled."""
        self._missed: dict[int, float] = {}
        """Versions that were waited for in vain, and when."""
        self.pulse: Pulse | None = None
        """Told while a version is waited for: the time-out here says what is missing, the watchdog would only see that nothing moves."""
        self._learn(versions or {})

    @property
    def held(self) -> set[int]:
        """The versions that are compiled."""
        return set(self._compiled)

    async def first(self) -> Channels:
        """The earliest version; waits until one is published."""
        while not (usable := self._channels.keys() - self._useless):
            await self._refresh()
            if not self._channels:
                log.warning("no registry is published yet; publish one with `zonepulse registry apply zone.yaml`")
                await asyncio.sleep(POLL_S)
        return await self.version(min(usable))

    async def find(self, number: int) -> Channels | None:
        """One version if it is there now; the topic is read again where it has grown, or the version was given up."""
        found = await self._taken(number)
        if found is not None:
            return found
        end = None if self._end is None else await asyncio.to_thread(self._end)
        if end is None or end != self._read_to or number in self._channels:
            await self._refresh()
            self._read_to = end
        return await self._taken(number)

    async def published(self, number: int) -> Channels:
        """A version that whoever names it has read from the topic. Raises RegistryMissing: at once for one that is newer than any there,
        after a while for another, and for that one at once from then on."""
        found = await self.find(number)
        if found is not None:
            return found
        is_waited_for = time.monotonic() - self._missed.get(number, float("-inf")) < PATIENCE_S
        if is_waited_for or number > max(self._channels, default=0):
            raise RegistryMissing(f"registry version {number} is named in the log but not on the registry topic")
        try:
            return await self.version(number)
        except RegistryMissing:
            self._missed[number] = time.monotonic()
            raise

    async def version(self, number: int) -> Channels:
        """One version; waits for it, then raises RegistryMissing."""
        for _ in range(int(PATIENCE_S / POLL_S)):
            found = await self._taken(number)
            if found is not None:
                return found
            await self._refresh()
            if number not in self._read:
                await asyncio.sleep(POLL_S)
        raise RegistryMissing(f"registry version {number} is named in the log but not on the registry topic; publish it again")

    async def _taken(self, number: int) -> Channels | None:
        """A version that is compiled, or read and now compiled."""
        async with self._working:
            if number not in self._compiled:
                self._beat()
                if number in self._read:
                    await asyncio.to_thread(self.compile, number)
                    self._beat()
            return self._compiled.get(number)

    def keep(self, numbers: Collection[int]) -> None:
        """These versions are in use; others are given up, and read again should the log name them."""
        self._compiled = {n: channels for n, channels in self._compiled.items() if n in numbers}
        self._read.clear()

    def compile(self, number: int | None = None) -> None:
        """Compiles a version that was read, by default the newest; one that nobody checked before it was written may be of no use."""
        if number is None:
            number = max(self._read)
        before = max((n for n in self._channels if n < number), default=None)
        names = list(self._names)[: 0 if before is None else self._channels[before]]
        try:
            self._compiled[number] = compile_registry(self._read.pop(number), self._partitions, names)
        except Exception as error:  # foreign text raises of any kind
            self._useless.add(number)
            log.error("registry version %d cannot be used: %s: %s", number, type(error).__name__, error)

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
            if number not in self._compiled and number not in self._useless:
                self._read[number] = registry

    def _beat(self) -> None:
        if self.pulse is not None:
            self.pulse.beat()
