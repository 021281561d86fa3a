"""One answer for all who ask the same."""

import asyncio

import pytest

from zonepulse.streams.board.shared import Shared


def test_all_who_wait_get_one_answer_and_a_failure_is_not_kept() -> None:
    async def run() -> None:
        shared, open_gate, made = Shared(3600), asyncio.Event(), 0

        async def ask() -> int:
            nonlocal made
            made += 1
            await open_gate.wait()
            if made == 1:
                raise RuntimeError("away")
            return made

        waiting = [asyncio.ensure_future(shared.get("k", ask)) for _ in range(50)]
        await asyncio.sleep(0)
        open_gate.set()
        assert all(isinstance(one, RuntimeError) for one in await asyncio.gather(*waiting, return_exceptions=True))
        assert made == 1
        assert [await shared.get("k", ask) for _ in range(3)] == [2, 2, 2]
        assert await shared.get("other", ask) == 3

    asyncio.run(run())


def test_one_who_goes_away_takes_the_answer_from_nobody() -> None:
    async def run() -> None:
        shared, open_gate = Shared(3600), asyncio.Event()

        async def ask() -> str:
            await open_gate.wait()
            return "answer"

        gone, stays = (asyncio.ensure_future(shared.get("k", ask)) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        open_gate.set()
        assert await stays == "answer"
        with pytest.raises(asyncio.CancelledError):
            await gone

    asyncio.run(run())


def test_an_old_answer_is_asked_for_again_and_few_are_kept() -> None:
    async def run() -> None:
        shared = Shared(0)

        async def ask() -> int:
            return shared.asked

        assert [await shared.get("k", ask), await shared.get("k", ask)] == [1, 2]
        for i in range(1000):
            await shared.get(i, ask)
        assert len(shared._entries) < 300

    asyncio.run(run())
