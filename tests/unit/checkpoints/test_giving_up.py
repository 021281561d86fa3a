"""A partition may go at any await, also while its state is frozen and written: nothing is said of it then, and nothing fails."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, cast

import numpy as np
import pytest
from faust.types import TP
from prometheus_client import CollectorRegistry
from small_logs import IMPORT, meter, zone_text

from zonepulse.processors.ledger.ledger import Ledger
from zonepulse.processors.ledger.snapshot import freeze_ledger
from zonepulse.processors.metering.snapshot import Frozen
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.checkpoints.checkpoint import Checkpoints, save
from zonepulse.streams.control.registry_store import RegistryStore
from zonepulse.streams.kafka.app import Outbox, build_app
from zonepulse.streams.kafka.batch_channel import BatchChannel, Lease
from zonepulse.streams.metrics import Metrics
from zonepulse.streams.settings import Settings
from zonepulse.streams.workers.ledger import LedgerTask

TOPIC = TP("zp.intervals", 0)
BRIEF = Settings(session_timeout_s=0.1)


class Sent:
    """What was sent, acknowledged when the test lets it be."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.flushed: Callable[[], Awaitable[None]] = _at_once

    async def send(self, _: str, key: bytes, value: bytes | None, **__: Any) -> None:
        self.keys.append(key.decode() if value is not None else f"-{key.decode()}")

    async def flush(self) -> None:
        await self.flushed()


async def _at_once() -> None:
    return None


def checkpoints_of(sent: Sent) -> Checkpoints:
    return Checkpoints(build_app(BRIEF, "ledger"), 1, cast(Outbox, sent))


def frozen(at: int, changed: int = 2) -> Frozen:
    return Frozen({}, {number: {"a": np.zeros(1)} for number in range(changed)}, 2, at)


async def write(checkpoints: Checkpoints, sent: Sent, freeze: Callable[[], Awaitable[Frozen | None]]) -> None:
    await save(checkpoints, None, TOPIC, asyncio.Lock(), cast(Outbox, sent), freeze)


def test_a_ledger_that_ends_while_its_snapshot_is_being_made_ends_quietly() -> None:
    async def ends() -> list[str]:
        sent = Sent()
        checkpoints, registry = checkpoints_of(sent), parse_zone(zone_text(meter(IMPORT)))
        registries = RegistryStore(dict, 1, {registry.version: registry})
        task = LedgerTask(BRIEF, registries, cast(Outbox, sent), checkpoints, Metrics(CollectorRegistry()))
        await task.assigned({TOPIC})
        began, go_on = threading.Event(), threading.Event()
        busy = asyncio.create_task(task.thread.run(lambda: (began.set(), go_on.wait())))
        under_way = asyncio.create_task(task.checkpoint())  # its snapshot waits for what the thread does
        await asyncio.to_thread(began.wait)
        await task.revoked({TOPIC})
        go_on.set()
        await asyncio.gather(busy, under_way)
        assert task.positions() == {}
        return sent.keys

    assert asyncio.run(ends()) == []


def test_the_first_snapshot_of_a_restored_ledger_is_whole() -> None:
    async def frozen_again() -> Frozen:
        registry = parse_zone(zone_text(meter(IMPORT)))
        registries = RegistryStore(lambda: {registry.version: registry}, 1, {registry.version: registry})
        sent = Sent()
        task = LedgerTask(BRIEF, registries, cast(Outbox, sent), checkpoints_of(sent), Metrics(CollectorRegistry()))
        whole = freeze_ledger(Ledger(await registries.first()), 0)
        restored = await task._ledger_of(whole.facts, [whole.chunks[number] for number in range(whole.count)])
        return freeze_ledger(restored, 0)

    found = asyncio.run(frozen_again())
    assert set(found.chunks) == set(range(found.count)), "there is nothing yet that the others could be taken from"


def test_a_snapshot_of_a_state_that_was_given_up_is_not_written_under_the_hold_of_the_next() -> None:
    async def given_up() -> tuple[list[str], bool]:
        sent, began, go_on = Sent(), asyncio.Event(), asyncio.Event()
        checkpoints = checkpoints_of(sent)
        await checkpoints.find(0)

        async def freeze() -> Frozen:
            began.set()
            await go_on.wait()
            return frozen(7, changed=1)

        under_way = asyncio.create_task(write(checkpoints, sent, freeze))
        await began.wait()
        checkpoints.drop(0)
        await checkpoints.find(0)
        go_on.set()
        await under_way
        return sent.keys, checkpoints.is_written(0, 7)

    assert asyncio.run(given_up()) == ([], False)


def test_chunks_of_a_state_that_was_given_up_get_no_manifest() -> None:
    async def given_up() -> tuple[list[str], bool]:
        sent, began, go_on = Sent(), asyncio.Event(), asyncio.Event()
        checkpoints = checkpoints_of(sent)
        await checkpoints.find(0)

        async def later() -> None:
            if sent.keys:
                began.set()
                await go_on.wait()

        async def freeze() -> Frozen:
            return frozen(7)

        sent.flushed = later
        under_way = asyncio.create_task(write(checkpoints, sent, freeze))
        await began.wait()
        checkpoints.drop(0)
        go_on.set()
        await under_way
        return [key.split("/")[1] for key in sent.keys], checkpoints.hold(0) is None

    assert asyncio.run(given_up()) == (["0", "1"], True)


def test_a_snapshot_that_cannot_be_written_ends_the_hold() -> None:
    async def fails() -> bool:
        sent = Sent()
        checkpoints = checkpoints_of(sent)
        await checkpoints.find(0)

        async def refused() -> None:
            if sent.keys:
                raise ConnectionError("away")

        async def freeze() -> Frozen:
            return frozen(7)

        sent.flushed = refused
        with pytest.raises(ConnectionError):
            await write(checkpoints, sent, freeze)
        return checkpoints.hold(0) is None

    assert asyncio.run(fails())


def test_a_partition_that_went_is_not_read_on() -> None:
    class Source:
        def __init__(self) -> None:
            self.leases = {TP("zp.readings", 1): Lease(1, 5, 5)}
            self.renewed = dict[TP, int]()

        def renew(self, next_offsets: dict[TP, int]) -> None:
            self.renewed = next_offsets

    class App:
        consumer = Source()

    channel = BatchChannel(cast(Any, App()), frozenset({"zp.readings"}), None)
    asyncio.run(channel.seek({TP("zp.readings", 0): 3, TP("zp.readings", 1): 4}))
    assert App.consumer.renewed == {TP("zp.readings", 1): 4}
