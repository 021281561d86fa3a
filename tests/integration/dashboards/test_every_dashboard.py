"""Every query of every dashboard on the real engine."""

from collections.abc import Callable
from functools import cache

import pytest
from dashboard_board import (
    DASHBOARDS,
    ENGLISH,
    METERS,
    RANGES,
    Board,
    Frame,
    check_frame,
    every_dashboard,
    every_english,
    every_range,
    panel_queries,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]  # the first test may have to compile every kernel
Ask = Callable[..., Frame]


@pytest.fixture(scope="module")
def ask(board: Board) -> Ask:
    """A panel's query over a range of time, as a dashboard chooses: asked once, however many tests look at the answer."""

    @cache
    def asked(sql: str, name: str, range_name: str, meter: str) -> Frame:
        chosen = board.chosen(DASHBOARDS[name])
        return board.ask(sql, RANGES[range_name], **chosen | ({"meter": meter} if "meter" in chosen else {}))

    return lambda sql, name, range_name="a day", meter=METERS[0]: asked(sql, name, range_name, meter)


@every_english
@every_range
def test_every_panel_query_answers_in_the_shape_that_its_panel_needs(ask: Ask, range_name: str, name: str) -> None:
    for panel, target in panel_queries(ENGLISH[name]):
        check_frame(panel, target, ask(target["rawSql"], name, range_name))


@every_dashboard
def test_every_override_names_a_column_or_a_series(ask: Ask, name: str) -> None:
    for panel in DASHBOARDS[name]["panels"]:
        known: set[str] = set()
        for target in panel["targets"]:
            frame = ask(target["rawSql"], name)
            known |= set(frame.names) | {v for row in frame.rows for v in row if isinstance(v, str)}
        named = [o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"] if o["matcher"]["id"] == "byName"]
        assert set(named) <= known, panel["title"]


@every_dashboard
def test_every_panel_has_something_to_show_of_a_day_of_the_demo(board: Board, ask: Ask, name: str) -> None:
    meters = METERS if "meter" in board.chosen(DASHBOARDS[name]) else METERS[:1]
    for panel, target in panel_queries(DASHBOARDS[name]):
        frames = [ask(target["rawSql"], name, meter=meter) for meter in meters]
        for frame in frames:
            check_frame(panel, target, frame)
        assert any(v not in (None, "") for frame in frames for row in frame.rows for v in row[1:]), panel["title"]
