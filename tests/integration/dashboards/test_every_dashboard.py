"""Every query of every dashboard on the real engine."""

import time
from typing import Any

import pytest
from dashboard_board import (
    DASHBOARDS,
    ENGLISH,
    METERS,
    RANGES,
    Board,
    check_frame,
    every_dashboard,
    every_english,
    panel_queries,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]  # the first test may have to compile every kernel


@every_english
@pytest.mark.parametrize("range_name", RANGES)
def test_every_panel_query_answers_in_the_shape_that_its_panel_needs(board: Board, range_name: str, name: str) -> None:
    for panel, target in panel_queries(ENGLISH[name]):
        check_frame(panel, target, board.ask(target["rawSql"], RANGES[range_name], **board.chosen(ENGLISH[name])))


@every_dashboard
def test_every_override_names_a_column_or_a_series(board: Board, name: str) -> None:
    for panel in DASHBOARDS[name]["panels"]:
        known: set[str] = set()
        for target in panel["targets"]:
            frame = board.ask(target["rawSql"], **board.chosen(DASHBOARDS[name]))
            known |= set(frame.names) | {v for row in frame.rows for v in row if isinstance(v, str)}
        named = [o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"] if o["matcher"]["id"] == "byName"]
        assert set(named) <= known, panel["title"]


@every_dashboard
def test_every_panel_has_something_to_show_of_a_day_of_the_demo(board: Board, name: str) -> None:
    for panel, target in panel_queries(DASHBOARDS[name]):
        chosen = board.chosen(DASHBOARDS[name])
        frames = [board.ask(target["rawSql"], **chosen | ({"meter": meter} if "meter" in chosen else {})) for meter in METERS]
        for frame in frames:
            check_frame(panel, target, frame)
        assert any(v not in (None, "") for frame in frames for row in frame.rows for v in row[1:]), panel["title"]


@every_english
def test_a_dashboard_is_drawn_at_once(board: Board, record_property: Any, name: str) -> None:
    begun = time.perf_counter()
    asked = sum(1 for _, target in panel_queries(ENGLISH[name]) if board.ask(target["rawSql"], **board.chosen(ENGLISH[name])))
    seconds = time.perf_counter() - begun
    record_property("panel_seconds", seconds)
    print(f"{name}: {asked} panel queries took {seconds:.2f} s")
    assert asked == sum(1 for _ in panel_queries(ENGLISH[name]))
