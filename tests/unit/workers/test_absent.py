"""`ops_task_gone`: a task that is alive tells that another one is not."""

from typing import Any

from zonepulse.schemas.messages.tasks import TASKS, WHOLE
from zonepulse.streams.health.absent import GRACE_S, Absence


def said(rows: list[dict[str, Any]]) -> list[tuple[str, str, int, int | None]]:
    return [(row["evidence"], row["state"], row["starts_at"], row["ends_at"]) for row in rows]


def test_a_task_without_workers_is_told_once_after_a_while_and_when_one_is_back() -> None:
    absence = Absence("z", "ledger")
    assert [task.name for task in absence.tasks] == ["store", "notify"]
    assert absence.judge({"store"}, 1, 0.0) == absence.judge({"store"}, 2, GRACE_S - 1) == []
    assert said(absence.judge({"store"}, 3, GRACE_S)) == [('{"task":"store"}', "raised", 3, None)]
    assert absence.judge({"store"}, 4, 2 * GRACE_S) == []
    assert said(absence.judge(set(), 5, 3 * GRACE_S)) == [('{"task":"store"}', "resolved", 3, 5)]
    assert absence.judge({"store"}, 6, 3 * GRACE_S) == [], "it begins anew"


def test_another_worker_ends_what_the_one_before_had_told() -> None:
    absence = Absence("z", "notify", [(3, '{"task":"ledger"}'), (4, '{"task":"store"}')])
    assert said(absence.judge({"ledger"}, 5, 0.0)) == []
    assert said(absence.judge(set(), 6, 1.0)) == [('{"task":"ledger"}', "resolved", 3, 6)], "the ledger tells of the store"


def test_every_task_that_a_zone_has_is_watched() -> None:
    watched = {name for task in TASKS.values() for name in task.watches} | {"intervals"}  # whose silence is ops_no_data
    assert {*WHOLE} <= watched and "notify" in watched
