"""Tables for people, one object for machines."""

import json
from datetime import UTC, datetime

import pytest

from zonepulse.streams.screen import count, print_facts, print_json, print_table, time_text


def test_json_is_one_object_whatever_the_values_are(capsys: pytest.CaptureFixture[str]) -> None:
    at = datetime(2026, 10, 1, 0, 15, tzinfo=UTC)
    print_json({"at": at, "naive": at.replace(tzinfo=None), "bytes": b"\xffx", "name": "太仓", "none": None})
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    assert json.loads(told) == {
        "at": "2026-10-01T00:15:00Z", "naive": "2026-10-01T00:15:00Z", "bytes": "\\xffx", "name": "太仓", "none": None,
    }  # fmt: skip


def test_cells_are_shown_as_they_are_and_numbers_are_never_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    print_table(("name", "n"), [("[red]a company with a long name that is folded[/red]", "1,234,567"), (None, "2")], right=("n",))
    told = capsys.readouterr().out
    assert "[red]" in told
    assert "1,234,567" in told
    assert " - " in told
    assert max(map(len, told.splitlines())) <= 40


def test_facts_are_a_line_each(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    print_facts([("readings", count(5284)), ("took", "1 s")])
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == ["readings  5,284", "took      1 s"]


def test_times_are_utc_with_milliseconds_only_where_there_are_any() -> None:
    at = datetime.fromisoformat("2026-10-01T08:15:00+08:00")
    assert time_text(at) == "2026-10-01T00:15:00Z"
    assert time_text(at.replace(microsecond=7000)) == "2026-10-01T00:15:00.007Z"
