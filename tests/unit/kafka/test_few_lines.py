"""A log's lines do not grow with what is wrong, and what is left out is counted."""

import io
import logging
import re
from collections.abc import Iterator

import pytest

from zonepulse.streams.kafka.few_lines import MOST, FewLines, bound_lines


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    out = io.StringIO()
    handler, log = logging.StreamHandler(out), logging.Logger("few")
    log.addHandler(handler)
    yield log, out
    handler.close()


def test_ten_thousand_lines_of_one_place_are_few_and_hide_no_other(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, out = log
    bound_lines(logger)
    bound_lines(logger)
    for n in range(10_000):
        logger.warning("record %d is wrong", n)
    logger.error("something else")
    told = out.getvalue().splitlines()
    assert len(told) <= 2 * MOST + 2, "a while may have ended meanwhile"
    assert told[0] == "record 0 is wrong" and told[-1] == "something else"


def test_what_was_left_out_is_told_with_the_next_line(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, out = log
    logger.handlers[0].addFilter(FewLines(3, 0.05))
    sent = 0
    while "not told" not in out.getvalue():
        sent += 1
        logger.warning("record %d is wrong", sent)
    *first, last = out.getvalue().splitlines()
    assert len(first) == 3
    assert re.fullmatch(rf"record {sent} is wrong \(and {sent - 4} like it before, not told\)", last)


def test_where_nobody_set_up_logging_lines_are_few_too(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = logging.StreamHandler(io.StringIO())
    monkeypatch.setattr(logging, "lastResort", handler)
    bound_lines()
    assert [type(found) for found in handler.filters] == [FewLines]
