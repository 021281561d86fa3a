"""How a store grows, by its partitions' names and sizes."""

from zonepulse.streams.cli.doctor.forecast import a_year_of


def test_a_year_is_twelve_of_the_largest_whole_month() -> None:
    months = {"202601": 5, "202602": 900, "202603": 30, "202604": 20, "202605": 10, "202606": 1, "tuple()": 10_000}
    assert a_year_of(months) == 12 * 30, "the last three whole months; February is long ago, June is not over"
    assert a_year_of({"202601": 5, "202602": 7, "202603": 1}) == 12 * 7


def test_without_a_whole_month_nothing_is_said() -> None:
    assert a_year_of({}) is None and a_year_of({"202601": 5, "202602": 7}) is None
