"""A worker compiles the registry versions that it needs and holds no others, and channel numbers mean the same in all of them."""

import asyncio
from dataclasses import replace

from zones import zone

from zonepulse.schemas.registry.model import Registry
from zonepulse.streams.control.registry_store import RegistryStore


class Topic:
    """The registry topic: its versions, and how often it was read."""

    def __init__(self, versions: int) -> None:
        self.versions: dict[int, Registry] = {}
        self.reads = 0
        for number in range(1, versions + 1):
            self.publish(number)

    def publish(self, number: int) -> None:
        """Version n has the meters M1 .. Mn, newest first."""
        more = "".join(
            f"  - {{id: M{i}, site: s, role: main, valid_from: 2024-01-01, registers:"
            ' {"1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000000}}}\n'
            for i in reversed(range(1, number + 1))
        )
        self.versions[number] = replace(zone(more=more), version=number)

    def load(self) -> dict[int, Registry]:
        self.reads += 1
        return dict(self.versions)


def test_only_what_is_asked_for_is_compiled() -> None:
    topic = Topic(5)
    store = RegistryStore(topic.load, 1, topic.load())
    assert asyncio.run(store.version(4)).registry.version == 4
    assert (store.held, topic.reads) == ({4}, 1)


def test_channels_have_the_numbers_that_they_got_first_in_whatever_order_versions_are_compiled() -> None:
    topic = Topic(4)
    ascending, descending = (RegistryStore(topic.load, 1, topic.load()) for _ in range(2))

    async def names(store: RegistryStore, order: list[int]) -> dict[int, tuple[tuple[str, str], ...]]:
        return {n: (await store.version(n)).names for n in order}

    found = asyncio.run(names(ascending, [1, 2, 3, 4]))
    assert asyncio.run(names(descending, [4, 3, 2, 1])) == found
    assert found[4][: len(found[2])] == found[2]
    assert found[4][-1] == ("M4", "1.8.0")


def test_what_is_no_longer_in_use_is_given_up_and_read_again_when_the_log_names_it() -> None:
    topic = Topic(3)
    store = RegistryStore(topic.load, 1, topic.load())

    async def use() -> None:
        names = (await store.version(2)).names
        await store.version(3)
        store.keep({3})
        assert (store.held, topic.reads) == ({3}, 1)
        topic.publish(4)
        assert (await store.version(2)).names == names
        assert (await store.version(4)).names[: len(names)] == names
        assert (store.held, topic.reads) == ({2, 3, 4}, 2)

    asyncio.run(use())


def test_the_first_version_is_waited_for() -> None:
    topic = Topic(0)
    store = RegistryStore(topic.load, 1, {})

    async def use() -> int:
        waiting = asyncio.create_task(store.first())
        while not topic.reads:
            await asyncio.sleep(0)
        topic.publish(1)
        return (await waiting).registry.version

    assert asyncio.run(use()) == 1
