"""Which alert is told of which planted fault, and which is a false alarm."""

from zonepulse.schemas.units import MS_PER_HOUR
from zonepulse.streams.demo.findings import AFTER_MS, Findings, Said, findings
from zonepulse.streams.demo.planted import Planted

LEAK = Planted("leak", "A", "1.8.0", 100 * MS_PER_HOUR, 200 * MS_PER_HOUR, ("FEEDER",))
ROOF = Planted("dead_pv_string", "P", "2.8.0", 150 * MS_PER_HOUR, 200 * MS_PER_HOUR, ("A", "FEEDER"))


def said(meter: str, at_h: int, rule: str = "record", kg: float | None = None, said_h: int | None = None) -> Said:
    return Said(rule, meter, at_h * MS_PER_HOUR, (at_h if said_h is None else said_h) * MS_PER_HOUR, None, kg, None)


def found(*alerts: Said) -> Findings:
    return findings((LEAK, ROOF), alerts)


def test_an_alert_before_a_fault_or_long_after_it_is_false() -> None:
    late_h = (200 * MS_PER_HOUR + AFTER_MS) // MS_PER_HOUR
    early, own, late = said("A", 99), said("A", 100), said("A", late_h + 1)
    result = found(early, own, said("A", late_h), late)
    assert result.false == (early, late) and [len(alerts) for _, alerts in result.told] == [2, 0]


def test_a_run_that_began_before_the_fault_and_was_said_within_it_belongs_to_it() -> None:
    """A stuck meter's run begins with the last good value."""
    run = said("A", 99, "stuck", said_h=104)
    assert dict(found(run).told)[LEAK] == (run,)


def test_a_meters_own_fault_comes_before_that_of_another_and_strangers_are_false() -> None:
    own, shown, stranger = said("A", 160), said("FEEDER", 160), said("B", 160)
    result = found(own, shown, stranger)
    assert (dict(result.told)[LEAK], result.shown, result.false) == ((own,), (shown,), (stranger,))


def test_faults_are_ranked_by_what_they_cost_with_the_first_alert_and_the_sum_of_all() -> None:
    alerts = said("P", 180, "zero_run", 7.0), said("P", 170, "unusual", 5.0), said("A", 120, "night_use", 3.0)
    document = found(*alerts).as_json()
    assert [(one["fault"], one["rule"], one["delay_h"], one["alerts"], one["impact_kg"]) for one in document["planted"]] == [
        ("dead_pv_string", "unusual", 20.0, 2, 12.0), ("leak", "night_use", 20.0, 1, 3.0),
    ]  # fmt: skip
    assert (document["alerts_of_planted"], document["false_alarms"]) == (3, [])


def test_a_fault_that_nobody_told_of_says_so() -> None:
    (leak, roof) = found().as_json()["planted"]
    assert leak["rule"] is roof["rule"] is leak["delay_h"] is leak["impact_kg"] is None and leak["alerts"] == 0
