"""What `zonepulse explain` makes of readings and rows: segments, arithmetic, and words for what is missing."""

from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import zones

from zonepulse.schemas.registry.model import Edge, Registry
from zonepulse.streams.explain.explain import CannotExplain, question
from zonepulse.streams.explain.network import NodalRows, network_of, upstream
from zonepulse.streams.explain.readings import Channel, Found, Held, explained, segments
from zonepulse.streams.explain.text import Page, exact, product, share

HOUR = 3_600_000
WINDOW = (HOUR, HOUR + 900_000)
WHOLE = Held({}, 0, is_cut=False, is_full=False)


def registry(*changes: tuple[str, str]) -> Registry:
    return zones.zone(*changes)


def channel(**facts: str) -> Channel:
    """The small zone's register, hourly."""
    more = "".join(f", {name}: {value}" for name, value in {"period": "60m", **facts}.items())
    (meter,) = registry(("kind: cumulative, unit: kWh", f"kind: cumulative, unit: kWh{more}")).meters
    return Channel(meter, meter.registers[0])


def reading(ts_ms: int, value: float, offset: int = 0, refused: str = "") -> Found:
    return Found(ts_ms, value, "", "zp.readings", 2, offset, 0, refused)


@pytest.mark.parametrize(
    ("micro", "text"),
    [(0, "0"), (12_345_000, "12.345"), (1, "0.000001"), (-2_500_000, "-2.5"), (1_234_567_000_000, "1,234,567"), (None, "unknown")],
)
def test_no_digit_is_lost_or_added(micro: int | None, text: str) -> None:
    assert exact(micro) == text


def test_a_product_can_be_done_again() -> None:
    assert product(12_345_000, "kWh", 582_700, 7_193_432) == "7.193432 kg = 12.345 kWh x 0.5827 kg/kWh"
    assert (12_345_000 * 582_700 + 500_000) // 1_000_000 == 7_193_432


def test_what_is_not_known_is_said_and_is_not_zero() -> None:
    assert product(None, "kWh", 582_700, None) == "unknown"
    assert product(5_000_000, "kWh", None, None) == "unknown kg = 5 kWh x no factor"
    assert share(None) == "unknown"


def test_a_counter_is_read_by_twos_times_its_multiplier() -> None:
    register = channel(multiplier="200").register
    (segment,) = segments(register, [reading(0, 184275.2364), reading(2 * HOUR, 184275.4719)])
    assert segment.energy_micro == 47_100_000
    assert segment.within(WINDOW) == Fraction(47_100_000) / 8


def test_a_register_that_fell_says_so_and_has_no_energy() -> None:
    found = explained(channel(), [reading(HOUR, 99999.0), reading(2 * HOUR, 3.0)], WINDOW, WHOLE)
    (segment,) = found["segments"]
    assert segment["energy_micro"] is None and found["evenly_micro"] is None and found["is_bounded"]


def test_only_the_readings_that_bound_the_window_are_shown() -> None:
    readings = [reading(ts, ts / HOUR, offset) for offset, ts in enumerate(range(0, 5 * HOUR, HOUR))]
    found = explained(channel(), readings, WINDOW, WHOLE)
    assert [r["offset"] for r in found["readings"]] == [1, 2]
    assert found["evenly_micro"] == 250_000 and found["why"] is None


def test_refused_and_repeated_readings_are_shown_and_not_used() -> None:
    readings = [reading(HOUR, 1.0), reading(HOUR, 1.0, 5), reading(2 * HOUR, 9.0, 6, "late"), reading(2 * HOUR, 2.0, 7)]
    found = explained(channel(), readings, WINDOW, WHOLE)
    assert [(r["offset"], r["is_used"], r["refused"]) for r in found["readings"]] == [
        (0, True, ""), (5, False, ""), (6, False, "late"), (7, True, ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (Held({}, 17, is_cut=True, is_full=False), "begins at offset 17"),
        (Held({}, 0, is_cut=False, is_full=True), "records"),
        (WHOLE, "no readings"),
    ],
)
def test_what_the_log_does_not_hold_is_said(held: Held, words: str) -> None:
    found = explained(channel(), [], WINDOW, held)
    assert words in found["why"] and found["readings"] == [] and found["evenly_micro"] is None


def test_an_unknown_company_or_basis_is_named_with_the_nearest() -> None:
    known = registry(("- {id: a}", "- {id: a}\n  - {id: steelworks}"))
    assert question(known, "a", "location", HOUR + 5).window == WINDOW
    with pytest.raises(CannotExplain, match="did you mean `steelworks`"):
        question(known, "steelwork", "location", 0)
    with pytest.raises(CannotExplain, match="there are: a, b, steelworks"):
        question(known, "q", "location", 0)
    with pytest.raises(CannotExplain, match="did you mean `nodal`"):
        question(known, "a", "nodl", 0)


def nodal(flows: dict[str, int]) -> NodalRows:
    rows = {("flow", edge): {"energy_micro": energy, "co2e_mg": energy // 2} for edge, energy in flows.items()}
    return NodalRows(0, rows, {"n": {"energy_micro": 3_000, "co2e_mg": 1_000, "g_per_kwh": 333.3}}, None)


def test_upstream_follows_flows_once_and_ends_on_loops() -> None:
    edges = [
        Edge("e1", "m", "n", "x", ""),
        Edge("e2", "k", "m", "x", ""),
        Edge("e3", "n", "k", "x", ""),
        Edge("e4", "z", "n", "x", ""),
    ]
    assert upstream(["n"], edges, nodal({"e1": 5, "e2": 5, "e3": 5, "e4": 0})) == ["n", "m", "k"]


def test_a_zone_without_network_says_why_there_is_nothing() -> None:
    found = network_of(registry(), "a", NodalRows(0, {}, {}, None), {})
    assert found["why"] == "the zone has no network" and found["nodes"] == [] and found["residual_mg"] is None


def answer(**parts: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"totals": [], "emissions": [], "contracts": [], "network": None, "channels": []}
    head = {"company": "a", "name": {}, "zone": "z", "basis": "location", "run": "live", "registry_version": 3}
    return head | {"window": {"start_ms": WINDOW[0], "end_ms": WINDOW[1]}} | empty | parts


def test_times_are_the_zones() -> None:
    first, *_ = Page(answer(), ZoneInfo("Asia/Shanghai")).lines()
    assert first == "a (a), basis location, 1970-01-01T09:00:00+08:00 to 09:15:00"


def test_a_row_without_factor_says_why() -> None:
    row = {"meter": "M", "register": "1.8.0", "scope": 2, "basis": "location", "carrier": "electricity", "base_unit": "kWh",
           "energy_micro": 1_000_000, "co2e_mg": None, "factor": None, "rung": "", "entry": None, "revision": 9,
           "why": "no emission factor is valid then"}  # fmt: skip
    lines = list(Page(answer(emissions=[row]), ZoneInfo("UTC")).lines())
    assert "  unknown kg = 1 kWh x no factor   M 1.8.0: electricity, scope 2, location, revision 9" in lines
    assert "    no emission factor is valid then" in lines


def test_the_part_of_a_long_segment_is_written_out() -> None:
    one = channel(multiplier="10")
    log = explained(one, [reading(HOUR, 100.0, 3), reading(2 * HOUR, 104.0, 8)], WINDOW, WHOLE)
    interval = {
        "value_micro": 10_000_000,
        "quality": "estimated",
        "method": "interpolated",
        "covered_ms": 900_000,
        "revision": 5,
        "run": "live",
    }
    row = {"meter": "M", "register": "1.8.0", "carrier": "electricity", "direction": "import", "sign": 1, "base_unit": "kWh",
           "interval": interval, "why": None, "log": log}  # fmt: skip
    lines = list(Page(answer(channels=[row]), ZoneInfo("UTC")).lines())
    assert lines[-4:] == [
        "  M 1.8.0 (electricity, import): 10 kWh, estimated, by interpolated, covered 900 s, revision 5, run live",
        "    01:00:00 to 02:00:00: (104.0 - 100.0) kWh x 10 = 40 kWh, x 900/3600 s in the window = 10 kWh",
        "    01:00:00  100.0  zp.readings partition 2 offset 3 item 0",
        "    02:00:00  104.0  zp.readings partition 2 offset 8 item 0",
    ]
