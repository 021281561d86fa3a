"""`ops_no_data`: no meter reports, or the tasks that read them are gone."""

import json
from typing import Any

from zonepulse.processors.detection.ops_alerts import NO_DATA, NoData
from zonepulse.processors.detection.rules import Alert
from zonepulse.processors.ledger.life_cycle import LifeCycle


def said(rows: list[dict[str, Any]]) -> list[tuple[str, int, int | None, str]]:
    return [(row["state"], row["starts_at"], row["ends_at"], json.loads(row["evidence"])["silent"]) for row in rows]


def test_it_is_said_once_and_ends_when_something_is_heard() -> None:
    alert = NoData("z")
    assert alert.judge(False, False, 1) == []
    assert said(alert.judge(False, True, 2)) == [("raised", 2, None, "tasks")]
    assert alert.judge(True, True, 3) == []
    assert said(alert.judge(False, False, 4)) == [("resolved", 2, 4, "tasks")]
    assert said(alert.judge(True, False, 5)) == [("raised", 5, None, "meters")]


def test_another_worker_ends_what_the_one_before_had_raised() -> None:
    life = LifeCycle(60_000)
    (raised,) = life.say_of_pipeline(NoData("z").judge(True, False, 7))
    taken_over = LifeCycle(60_000)
    taken_over.resume(json.loads(json.dumps(life.held())))
    (known,) = [one.row for one in taken_over.open.values() if one.row["rule"] == NO_DATA]
    (resolved,) = taken_over.say_of_pipeline(NoData("z", known).judge(False, False, 9))
    assert (resolved["fingerprint"], resolved["starts_at"]) == (raised["fingerprint"], raised["starts_at"])
    assert said([resolved]) == [("resolved", 7, 9, "meters")] and taken_over.open == {}


def test_a_state_that_takes_the_place_of_another_keeps_alerts_about_the_pipeline_and_ends_what_it_does_not_know() -> None:
    before, after = LifeCycle(60_000), LifeCycle(60_000)
    (ops,) = before.say_of_pipeline(NoData("z").judge(True, False, 7))
    rows = [
        Alert("z", "silent_channel", {"meter": meter}, "warning", "raised", 60_000, 2, {}, meter=meter).row()
        for meter in ("M-1", "M-2")
    ]
    before.pass_to(5, rows, lambda meter: {})
    after.pass_to(3, rows[:1], lambda meter: {})
    assert after.unknown_to(before) == [] and [row["meter"] for row in before.unknown_to(after)] == ["M-2"]
    (over,) = after.go_on_after(before)
    assert (over["meter"], over["state"], over["ends_at"], over["revision"]) == ("M-2", "resolved", 300_000, 5)
    assert {known.row["fingerprint"] for known in after.open.values()} == {ops["fingerprint"], rows[0]["fingerprint"]}
