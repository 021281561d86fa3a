"""What `zonepulse top` makes of the log and the clock."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from faust.types import TP

from zonepulse.streams.cli.top import Rate, stage, waiting
from zonepulse.streams.demo.screen import View
from zonepulse.streams.kafka.log_facts import Ends
from zonepulse.streams.kafka.log_guard import NO_VIEW

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def test_a_rate_is_records_between_two_looks_and_a_topic_made_anew_is_no_negative_one() -> None:
    rate = Rate()
    assert [rate.of(end, at) for end, at in ((100, 10.0), (300, 12.0), (300, 14.0), (5, 16.0), (25, 17.0))] == [0, 100, 0, 0, 20]


def test_what_waits_is_behind_the_commit_or_behind_the_beginning_of_the_log() -> None:
    a, b, c = (TP("zp.readings", number) for number in range(3))
    log = replace(NO_VIEW, ends={a: Ends(0, 10, 10), b: Ends(40, 50, 50), c: Ends(0, 5, 5)}, committed={a: 7, b: 3, c: 5})
    assert waiting(log) == 3 + 10


@pytest.mark.parametrize(("age", "is_simulated", "told"), [
    (None, False, "no window yet"), (timedelta(minutes=16), False, "live"), (timedelta(hours=2), False, "live"),
    (timedelta(hours=30), False, "stands: the newest window is 30 h old"), (timedelta(days=300), True, "simulated time"),
])  # fmt: skip
def test_the_title_says_whether_the_numbers_are_of_now(age: timedelta | None, is_simulated: bool, told: str) -> None:
    view = View("Zone", "z", intensity=[] if age is None else [((NOW - age).replace(tzinfo=None), 1.0)])
    assert stage(view, NOW, is_simulated) == told
