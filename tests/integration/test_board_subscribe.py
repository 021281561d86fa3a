"""The board's form to ask for alerts: the address is asked, once, whoever fills in the form, and nothing else can be done with it."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from zones import zone

from zonepulse.schemas.registry.subscribers import Subscriber, Wish
from zonepulse.streams.board.server import Board
from zonepulse.streams.board.settings import BoardSettings
from zonepulse.streams.board.store import Store, StoreAway
from zonepulse.streams.board.subscribing import MOST_AN_HOUR, Subscribing, TooMany
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.embedded.kafka.broker import Broker
from zonepulse.streams.kafka.topics_admin import ensure_topics
from zonepulse.streams.notify.subscriber_log import agree, ask_first, read_people, write_wish
from zonepulse.streams.settings import Settings

pytestmark = pytest.mark.integration
FORM = {"address": "li.wei@steel.example", "company": "a", "language": "zh", "severity": "critical", "digest": "daily"}
Session = aiohttp.ClientSession


def no_store() -> Any:
    raise StoreAway("this page needs none")


def with_board(settings: Settings, use: Callable[[Session, Board], Coroutine[Any, Any, None]], *, has_form: bool = True) -> None:
    async def run() -> None:
        register = (lambda form: ask_first(settings.broker, settings.topic_prefix, form)) if has_form else None
        board = Board(zone, Store(no_store), replace(BoardSettings(), port=0), register)
        await board.start()
        try:
            async with Session(board.address) as session:
                await use(session, board)
        finally:
            await board.stop()

    asyncio.run(run())


@pytest.fixture
def settings(broker: Broker) -> Settings:
    prefix = f"b{uuid4().hex[:8]}."
    ensure_topics(broker.bootstrap, prefix, 1, is_simulated=True)
    publish(broker.bootstrap, prefix, zone(), 1, timestamp_ms=1)
    return Settings(broker=broker.bootstrap, topic_prefix=prefix)


def registered(settings: Settings) -> list[Subscriber]:
    return list(read_people(settings.broker, settings.topic_prefix).registered.values())


def test_who_fills_in_the_form_is_asked_once_before_anything_is_sent(settings: Settings) -> None:
    async def use(session: Session, board: Board) -> None:
        own = {"Origin": board.address.rstrip("/"), "Accept-Language": "de"}
        async with session.get("/subscribe", headers=own) as answer:
            shown = await answer.text()
            assert answer.status == 200 and "Alarme per E-Mail erhalten" in shown and 'aria-current="page"' in shown
            assert set(re.findall(r'name="(\w+)"', shown)) - {"viewport"} == set(FORM)
        assert registered(settings) == [], "a page that is opened changes nothing"
        for _ in range(2):
            async with session.post("/subscribe", data=FORM, headers=own) as answer:
                assert answer.status == 200 and "Eine Frage geht an li.wei@steel.example" in await answer.text()
        (one,) = registered(settings)
        assert (one.to, one.company, one.language, one.severity, one.digest) == (
            ("mailto:li.wei@steel.example",), "a", "zh", "critical", "daily",
        )  # fmt: skip
        assert one.is_confirmed is False
        agree(settings.broker, settings.topic_prefix, one)
        write_wish(settings.broker, settings.topic_prefix, one.id, Wish(is_unsubscribed=True))
        for _ in range(2):
            async with session.post("/subscribe", data=FORM, headers=own) as answer:
                assert answer.status == 200
        assert [again.is_confirmed for again in registered(settings)] == [False], "who unsubscribed is asked again, not told"
        agree(settings.broker, settings.topic_prefix, one)
        people = read_people(settings.broker, settings.topic_prefix)
        assert [again.id for again in people.listening()] == [one.id], "who agrees is told, whatever they wanted before"

    with_board(settings, use)


@pytest.mark.parametrize(("change", "headers", "status"), [
    ({"address": "nobody"}, {}, 400), ({"address": "a@b.c\r\nBcc: d@e.f"}, {}, 400), ({"address": "channel:ops"}, {}, 400),
    ({"company": "c"}, {}, 400), ({"severity": "loud"}, {}, 400), ({}, {"Origin": "https://elsewhere.example"}, 403),
    ({}, {"Origin": ""}, 403), ({}, {"Sec-Fetch-Site": "cross-site"}, 403), ({"address": "<script>@x.y"}, {}, 400),
    ({"address": "a" * 9_000}, {}, 413),
])  # fmt: skip
def test_what_the_form_does_not_offer_and_other_pages_forms_are_refused(
    change: dict[str, str], headers: dict[str, str], status: int, settings: Settings
) -> None:
    async def use(session: Session, board: Board) -> None:
        own = {"Origin": board.address.rstrip("/")}
        async with session.post("/subscribe", data=FORM | change, headers=own | headers) as answer:
            assert answer.status == status and "<script>@" not in await answer.text()

    with_board(settings, use)
    assert registered(settings) == []


def test_there_is_no_form_unless_the_installation_wants_it(settings: Settings) -> None:
    async def use(session: Session, _: Board) -> None:
        for answer in (await session.get("/subscribe"), await session.post("/subscribe", data=FORM)):
            assert answer.status in (404, 405)

    with_board(settings, use, has_form=False)
    assert BoardSettings.from_env({}).subscribe is False and BoardSettings.from_env({"ZONEPULSE_BOARD_SUBSCRIBE": "on"}).subscribe


def test_no_mailbox_is_filled_by_it() -> None:
    asked, now_s = list[Any](), [0.0]
    form = Subscribing(asked.append, lambda: now_s[0])

    async def fill(count: int) -> None:
        for n in range(count):
            await form.ask(FORM | {"address": f"p{n}@x.example"})

    asyncio.run(fill(MOST_AN_HOUR))
    with pytest.raises(TooMany):
        asyncio.run(fill(1))
    now_s[0] = 3_600.0
    asyncio.run(fill(1))
    assert len(asked) == MOST_AN_HOUR + 1
