"""Charts: a gap stays a gap, what is provisional is hollow, foreign text is text."""

import re

from hypothesis import given
from hypothesis import strategies as st

from zonepulse.streams.board.charts import Axes, Band, Line, bars, lines, scale, share, spark, stacked

HOUR = 3_600_000
AXES = Axes("a chart", 0, 24 * HOUR, [(4 * HOUR, "04:00")], str)


def test_a_line_breaks_at_a_gap_and_a_lone_point_is_a_dot() -> None:
    points = [(0, 1.0), (HOUR, 2.0), (2 * HOUR, None), (3 * HOUR, 3.0), (4 * HOUR, None), (5 * HOUR, 1.0), (6 * HOUR, 1.0)]
    drawn = str(lines([Line("x", "ok", points)], AXES))
    assert drawn.count("<polyline") == 2 and drawn.count("<circle") == 1


def test_a_stack_has_a_gap_where_one_of_its_parts_is_unknown() -> None:
    grid = Line("grid", "grid", [(0, 5.0), (HOUR, None), (2 * HOUR, 5.0)])
    own = Line("own", "own", [(0, 1.0), (HOUR, 1.0), (2 * HOUR, 1.0)])
    assert str(stacked([grid, own], HOUR, AXES)).count("<polygon") == 4


def test_provisional_bars_are_hollow_and_a_missing_one_is_not_drawn() -> None:
    drawn = str(bars([Line("x", "scope2", [(0, 2.0), (HOUR, None), (2 * HOUR, 1.0)])], HOUR, frozenset({2 * HOUR}), AXES))
    assert re.findall(r'<rect class="([^"]*)"', drawn) == ["bar scope2", "bar scope2 weak"]


def test_a_chart_of_nothing_has_its_frame_and_no_value() -> None:
    for drawn in (
        lines([], AXES),
        lines([Line("x", "ok", [(0, None)])], AXES),
        bars([], HOUR, frozenset(), AXES),
        stacked([], HOUR, AXES),
    ):
        assert "a chart" in drawn and not re.search("<polyline|<circle|<polygon|<rect", drawn)
    assert "bar" in share(None, "ok") and 'width="0.0"' in share(None, "ok")
    assert "<polyline" not in spark([None, None], "x")


def test_a_band_and_a_mark_lie_where_they_belong_and_the_axis_holds_the_band() -> None:
    axes = Axes("a chart", 0, 24 * HOUR, [], str, band=Band(12 * HOUR, 13 * HOUR, 10.0, 40.0), mark_ms=12 * HOUR)
    drawn = str(lines([Line("x", "ok", [(0, 1.0), (HOUR, 2.0)])], axes))
    (x, width), (mark,) = (
        re.findall(r'class="band" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', drawn)[0],
        re.findall(r'class="mark" x1="([\d.]+)"', drawn),
    )
    assert x == mark and float(width) > 20 and ">40<" in drawn.replace(".0", "")


def test_names_are_text() -> None:
    assert "<b>" not in lines([], Axes("<b>", 0, HOUR, [(0, "<b>")], str)) + spark([1.0], "<b>")


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20), st.booleans())
def test_an_axis_holds_every_value_between_few_round_marks(values: list[float], from_zero: bool) -> None:
    low, high, marks = scale(values, from_zero)
    slack = 1e-6 * max(map(abs, (low, high)))
    assert low - slack <= min(values) and max(values) <= high + slack and low < high
    assert 2 <= len(marks) <= 8 and marks[0] == low and marks[-1] == high
    assert not from_zero or any(abs(mark) <= slack for mark in marks)
