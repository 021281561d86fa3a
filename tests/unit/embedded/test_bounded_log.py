"""A log that strangers can make a server write stays small, and says what it left out."""

import itertools
import logging
import re
import sys
from pathlib import Path

import pytest

from zonepulse.streams.embedded.processes.bounded_log import LINES_A_SECOND, BoundedLog, open_before


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("zonepulse", logging.WARNING, "", 0, text, None, None)


def test_lines_beyond_those_of_a_second_are_counted_and_no_line_is_lost_uncounted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    with path.open("a", buffering=1) as file:
        monkeypatch.setattr(sys, "stderr", file)
        log = BoundedLog()
        for sent in itertools.count(1):
            log.emit(record("a stranger"))
            if sent >= 1_000 and (told := path.read_text()).rstrip().endswith("a stranger") and "were left out" in told:
                break
    left_out = sum(map(int, re.findall(r"(\d+) more lines were left out", told)))
    kept, seconds = told.count("a stranger"), told.count("were left out") + 1
    assert kept <= LINES_A_SECOND * (seconds + 1)
    assert kept + left_out == sent


def test_a_long_log_starts_anew_and_its_end_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, before = tmp_path / "log", open_before(tmp_path, "log.1")
    with path.open("a", buffering=1) as file:
        monkeypatch.setattr(sys, "stderr", file)
        log = BoundedLog(before, max_bytes=10_000)
        log.emit(record("x" * 50_000 + "end"))
        while "end" in path.read_text():
            log.emit(record("more"))
    older = (tmp_path / "log.1").read_text()
    assert len(older) == 10_000 and "end" in older
    assert path.stat().st_size < 10_000
    assert (tmp_path / "log.1").stat().st_mode & 0o077 == 0
