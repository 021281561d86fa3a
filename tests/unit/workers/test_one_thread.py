"""The thread of a task does one piece after another, in the order in which they were handed in."""

import asyncio
import threading

import pytest

from zonepulse.streams.workers.one_thread import OneThread


def test_pieces_are_done_in_order_and_beside_the_loop() -> None:
    thread, done = OneThread("test"), list[int]()
    gate = threading.Event()

    def piece(number: int) -> int:
        gate.wait()
        done.append(number)
        return threading.get_ident()

    async def use() -> list[int]:
        waiting = [asyncio.ensure_future(thread.run(piece, n)) for n in range(9)]
        await asyncio.sleep(0)
        gate.set()  # the loop goes on while the first piece waits
        return await asyncio.gather(*waiting)

    where = set(asyncio.run(use()))
    assert done == list(range(9))
    assert len(where) == 1
    assert threading.get_ident() not in where


def test_what_a_piece_raises_is_raised_where_it_is_waited_for() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(OneThread("test").run(lambda: 1 // 0))


def test_whoever_no_longer_waits_does_not_let_the_next_piece_overtake() -> None:
    thread, done = OneThread("test"), list[str]()
    begun, gate = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        gate.wait()
        done.append("slow")

    async def use() -> None:
        first = asyncio.create_task(thread.run(slow))
        await asyncio.to_thread(begun.wait)
        first.cancel()
        second = asyncio.create_task(thread.run(done.append, "next"))
        await asyncio.sleep(0)
        assert done == []
        gate.set()
        await second

    asyncio.run(use())
    assert done == ["slow", "next"]
