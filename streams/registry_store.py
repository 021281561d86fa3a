"""The registry versions that a worker knows, compiled; channel numbers keep their meaning from version to version."""

import asyncio
import logging
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
        self, load: Callable[[], Mapping[int, Registry]], partitions: int, versions: Mapping[int, Registry] | None = None
    ) -> None:
        """`load` returns every complete version on the registry topic; it may block and is called in a thread. `versions` is what it
        has returned already: a large registry is read once."""
        self._load = load
        self._partitions = partitions
        self._versions = versions
        self._compiled: dict[int, Channels] = {}
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
            if number not in self._compiled:
                self._compiled[number] = compile_registry(found[number], self._partitions, names)
            names = self._compiled[number].names
        return bool(found)
