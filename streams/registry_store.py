"""The registry versions that a worker knows, compiled; channel numbers keep their meaning from version to version."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from zonepulse.processors.channels import Channels, compile_registry
from zonepulse.schemas.registry import Registry
from zonepulse.streams.watchdog import Pulse

POLL_S: Final = 0.5
PATIENCE_S: Final = 60.0
log = logging.getLogger(__name__)


class RegistryMissing(RuntimeError):
    """A version that the log names, or any at all, was never published."""


class RegistryStore:
    """Compiled versions by number, loaded when they are first asked for."""

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
        self._versions = versions
        self._end = end
        self._read_to: int | None = None
        self._compiled: dict[int, Channels] = {}
        self._useless: set[int] = set()
        """Versions that cannot be compiled."""
        self._missed: dict[int, float] = {}
        """Versions that were waited for in vain, and when."""
        self.pulse: Pulse | None = None
        """Told while a version is waited for: the time-out here says what is missing, the watchdog would only see that nothing moves."""

    async def first(self) -> Channels:
        """The earliest version; waits until one is published."""
        while not self._compiled:
            await self._refresh()
            if not self._compiled:
                log.warning("no registry is published yet; publish one with `zonepulse registry apply zone.yaml`")
                await asyncio.sleep(POLL_S)
        return self._compiled[min(self._compiled)]

    async def find(self, number: int) -> Channels | None:
        """One version if it is there now; the topic is read again where it has grown."""
        if number not in self._compiled:
            await self._refresh()
        if number not in self._compiled and await self._has_grown():
            await self._refresh()
        return self._compiled.get(number)

    async def published(self, number: int) -> Channels:
        """A version that whoever names it has read from the topic. Raises RegistryMissing: at once for one that is newer than any there,
        after a while for another, and for that one at once from then on."""
        found = await self.find(number)
        if found is not None:
            return found
        is_waited_for = time.monotonic() - self._missed.get(number, float("-inf")) < PATIENCE_S
        if is_waited_for or number > max(self._compiled, default=0):
            raise RegistryMissing(f"registry version {number} is named in the log but not on the registry topic")
        try:
            return await self.version(number)
        except RegistryMissing:
            self._missed[number] = time.monotonic()
            raise

    async def _has_grown(self) -> bool:
        if self._end is None:
            return True
        end = await asyncio.to_thread(self._end)
        is_new, self._read_to = end != self._read_to, end
        return is_new

    async def version(self, number: int) -> Channels:
        """One version; waits for it, then raises RegistryMissing."""
        for _ in range(int(PATIENCE_S / POLL_S)):
            if number in self._compiled:
                return self._compiled[number]
            if self.pulse is not None:
                self.pulse.beat()
            await self._refresh()
            if number not in self._compiled:
                await asyncio.sleep(POLL_S)
        raise RegistryMissing(f"registry version {number} is named in the log but not on the registry topic; publish it again")

    async def _refresh(self) -> None:
        if not self.compile():
            self._versions = await asyncio.to_thread(self._load)
            self.compile()

    def compile(self) -> bool:
        """Compiles what was read and not compiled yet; False: there is nothing."""
        found, self._versions = self._versions or {}, None
        names: tuple[tuple[str, str], ...] = ()
        for number in sorted(found):
            if number not in self._compiled and number not in self._useless:
                self._compile(number, found[number], names)
            names = self._compiled[number].names if number in self._compiled else names
        return bool(found)

    def _compile(self, number: int, registry: Registry, names: tuple[tuple[str, str], ...]) -> None:
        try:
            self._compiled[number] = compile_registry(registry, self._partitions, names)
        except Exception as error:  # nobody checked what was not published by `registry apply`
            self._useless.add(number)
            log.error("registry version %d cannot be used: %s: %s", number, type(error).__name__, error)
