"""power_factor: core and oracle say when a meter draws much reactive beside its active energy, wherever the log is cut."""

import random
from typing import Any

import pytest
from core_runs import disagreements, emitted, expected, fetches, final
from hypothesis import event, given, settings
from hypothesis import strategies as st
from small_logs import IMPORT, MINUTE, alerts, at, meter, on_time, reading, rows_of, zone_text
from snapshots import interrupted_alerts

QUARTER = 15 * MINUTE
ACTIVE = IMPORT | {"kind": "interval", "max_power": 100}
REACTIVE = ACTIVE | {"carrier": "reactive", "unit": "kvarh"}
FEWER = settings(max_examples=max(5, settings.default.max_examples // 10))


def two(**others: Any) -> dict[str, Any]:
    return meter(ACTIVE, "m", **others) | {"registers": {"r": ACTIVE, "q": REACTIVE}}


def sent(used: list[tuple[float | None, float | None]]) -> list[Any]:
    """Readings of active and reactive energy, quarter by quarter; None: none was sent."""
    return on_time(
        *(
            reading(at("00:00") + (i + 1) * QUARTER, value) | {"register": register}
            for i, pair in enumerate(used)
            for register, value in zip(("r", "q"), pair, strict=True)
            if value is not None
        )
    )


def said(*used: tuple[float | None, float | None]) -> list[dict[str, Any]]:
    return alerts(rows_of(zone_text(two()), sent([*used])), "power_factor")


LOW, GOOD, IDLE = (6.0, 8.0), (10.0, 3.0), (0.5, 5.0)


def test_four_windows_below_the_limit_are_told_until_four_are_above() -> None:
    (row,) = said(GOOD, *[LOW] * 3, IDLE, LOW, LOW, *[GOOD] * 5)
    assert (row["state"], row["meter"], row["value"], row["expected_low"]) == ("resolved", "m", 0.6, 0.9)
    assert row["starts_at"].timestamp() * 1000 == at("00:15") and row["ends_at"].timestamp() * 1000 == at("01:45")
    assert row["evidence"] == '{"active_micro":24000000,"reactive_micro":32000000,"windows":4}'


@pytest.mark.parametrize(
    "used",
    [[LOW] * 3 + [GOOD], [(10.0, 4.8)] * 9, [IDLE] * 9, [(6.0, None)] * 9, [LOW, GOOD] * 5],
    ids=["too short", "at the limit", "without load", "not known", "now and then"],
)
def test_what_is_no_sign_is_not_told(used: list[tuple[float | None, float | None]]) -> None:
    assert said(*used) == []


def test_reactive_energy_that_is_given_back_counts_as_well() -> None:
    back = two() | {"registers": {"r": ACTIVE, "q": REACTIVE | {"direction": "export"}}}
    (row,) = alerts(rows_of(zone_text(back), sent([LOW] * 6)), "power_factor")
    assert (row["state"], row["value"]) == ("raised", 0.6)


@st.composite
def days(draw: Any) -> tuple[str, list[Any]]:
    chance = random.Random(draw(st.integers(0, 2**32)))
    used = list[tuple[float | None, float | None]]()
    while len(used) < 60:
        pair = chance.choice((LOW, LOW, GOOD, IDLE))
        used += [tuple(None if chance.random() < 0.03 else value for value in pair)] * chance.randrange(1, 9)  # type: ignore[list-item]
    begins = {"valid_from": "2026-03-04T03:00Z"} if draw(st.booleans()) else {}
    return zone_text(two(**begins)), sent(used)


@FEWER
@given(days(), st.lists(st.integers(5, 40), min_size=1, max_size=3))
def test_core_equals_oracle_wherever_the_log_is_cut(made: tuple[str, list[Any]], sizes: list[int]) -> None:
    text, records = made
    whole = emitted(text, fetches(records), 1)
    assert disagreements(expected(text, records, 1), final(whole)) == []
    told = whole["alerts"].to_pylist()
    event(f"{len(told)} transitions")
    assert sorted(interrupted_alerts(text, records, sizes), key=repr) == sorted(told, key=repr)
