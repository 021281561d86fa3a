"""Groups about the readings of a register: the live core judges (`core.Bench`), its verdicts are named as the case file does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from core import DAY_MS, MINUTE_MS, Bench, Channel, Row, Setup, View, in_kwh, in_unit
from verdict import instant

from zonepulse.schemas.registry.model import MeterChange

Values = Mapping[str, Any]
Readings = Sequence[tuple[int, float]]
QUARTER_MS = 15 * MINUTE_MS
CHANNEL: Channel = ("M1", "1.8.0")
HELD_ALERT = "register_held"
SMALL_FALL = "small fall"


@dataclass(frozen=True)
class Course:
    """Readings in order of time, the core's view after each, and why it is not booked in the end ('' = booked)."""

    bench: Bench
    readings: Readings
    views: tuple[View, ...]
    refused: tuple[str, ...]

    @property
    def last(self) -> View:
        return self.views[-1]

    @property
    def segment_start(self) -> int | None:
        """The first reading that began a new series: held at first, or without a segment before it, and not refused in the end."""
        for i, (view, (ts, _)) in enumerate(zip(self.views, self.readings, strict=True)):
            began = view.r0_ts != ts or view.segment_ms == 0
            if i and began and not self.refused[i] and ts <= self.last.r0_ts:
                return i
        return None

    def value(self, micro: int | None) -> float | None:
        return in_unit(micro, self.bench.setup)


def epoch_ms(text: str) -> int:
    return round(instant(text).timestamp() * 1000)


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def _setup(params: Values, values: Values, readings: Readings) -> Setup:
    """Windows and period as long as the shortest step between readings, so that each reading lies in a window of its own."""
    times = sorted({ts for ts, _ in readings})
    step = min((b - a for a, b in pairwise(times)), default=QUARTER_MS)
    return Setup(
        length_ms=step,
        period_ms=step,
        unit=values.get("unit", "kWh"),
        modulus=params.get("modulus"),
        max_power_kw=params.get("p_max_kw"),
        n_confirm=params.get("n_confirm", 3),
    )


def _follow(setup: Setup, readings: Readings) -> Course:
    bench, views, dead = Bench(setup), [], {}
    for ts, value in readings:
        if reason := bench.receive(CHANNEL, ts, value):
            dead[ts] = reason
        views.append(bench.view(CHANNEL))
    bench.wait_until(bench.partition.ingest + 2 * setup.length_ms + 10 * MINUTE_MS)
    refused = tuple(dead.get(ts) or _why_unbooked(bench, views[-1], ts) for ts, _ in readings)
    return Course(bench, readings, tuple(views), refused)


def _why_unbooked(bench: Bench, view: View, ts: int) -> str:
    """'' where it is booked; SMALL_FALL: a fall by no more than the register may rise."""
    if ts not in view.unbooked:
        return ""
    bound = bench.bound_micro(view, ts)
    fall = view.r0_micro - view.unbooked[ts]
    return SMALL_FALL if bound is not None and 0 < fall <= bound else "held"


def _readings(pairs: Sequence[tuple[str, float]]) -> Readings:
    return sorted((epoch_ms(ts), value) for ts, value in pairs)


def _judged(course: Course) -> dict[str, object]:
    """What holds for the last reading, whatever the group. `sample_quality` is in order of time."""
    before, (ts, value) = course.views[-2] if len(course.views) > 1 else course.last, course.readings[-1]
    drop = course.value(before.r0_micro)
    return {
        "delta": None if course.refused[-1] else course.value(course.last.advance_micro),
        "bound": course.value(course.bench.bound_micro(before, ts)),
        "baseline_after": course.value(course.last.r0_micro),
        "drop": drop - value if course.refused[-1] and drop is not None and drop > value else None,
        "alert": next((a for a in course.bench.alerts if a == HELD_ALERT), None),
        "sample_quality": ["BAD" if r else "GOOD" for r in course.refused],
        "total": course.value(course.last.total_micro),
    }


def rollover(params: Values, values: Values) -> dict[str, object]:
    pairs = values.get("readings") or [(values[k]["ts"], values[k]["value"]) for k in ("prev", "cur")]
    readings = _readings(pairs)
    course = _follow(_setup(params, values, readings), readings)
    falls = readings[-1][1] < readings[-2][1]
    if course.refused[-1]:
        outcome = "blocked" if course.refused[-1] == SMALL_FALL else "suspect_drop" if falls else "suspect_rise"
    else:
        outcome = "rollover" if falls else "valid"
    return {"outcome": outcome, **_judged(course)}


def transient_zero(params: Values, values: Values) -> dict[str, object]:
    readings = _readings(values["readings"])
    judged = _judged(_follow(_setup(params, values, readings), readings))
    return {**judged, "delta_on_recovery": judged["delta"]}


def meter_swap(params: Values, values: Values) -> dict[str, object]:
    if "import_register" in values:
        return _back_feed(values)
    readings = _readings(values["readings"])
    setup = _setup(params, values, readings)
    if "swap" in values:
        return _recorded_swap(setup, readings, values["swap"])
    course = _follow(setup, readings)
    start = course.segment_start
    segment = {} if start is None else _new_segment(course, start)
    return {"outcome": _swap_outcome(course), **_judged(course), **segment}


def _swap_outcome(course: Course) -> str:
    if course.segment_start is not None:
        return "new_segment"
    held = [r for (ts, _), r in zip(course.readings, course.refused, strict=True) if ts > course.last.r0_ts]
    if not held:
        return "transient" if any(course.refused) else "valid"
    return "blocked" if held[0] == SMALL_FALL else "pending"


def _new_segment(course: Course, start: int) -> dict[str, object]:
    """The series that begins at `start`; the advances in it are those that the core finds when it sees nothing before it."""
    inside = _follow(course.bench.setup, course.readings[start:])
    ts, value = course.readings[start]
    begin = course.views[start - 1].r0_ts
    return {
        "segment_starts_at": iso(ts),
        "segment_start_value": value,
        "deltas_in_new_segment": [
            course.value(v.advance_micro) for v, r in zip(inside.views, inside.refused, strict=True) if not r
        ][1:],
        "swap_gap": {"from_ts": iso(begin), "to_ts": iso(ts), "quality": _gap_quality(course, begin, ts)},
    }


def _gap_quality(course: Course, begin: int, end: int) -> str:
    """A swap gap is estimated from the segments on both sides. A case begins with the old meter's last reading; that meter was read
    before, so one reading a period earlier and a micro-unit lower stands for it."""
    setup, (ts, value) = course.bench.setup, course.readings[0]
    earlier = (ts - setup.period_ms, value - float(1 / setup.scale))
    windows = _follow(setup, [earlier, *course.readings]).last.swap_gap_windows
    return "ESTIMATED" if windows & set(range(begin // setup.length_ms, -(-end // setup.length_ms))) else "MISSING"


def _recorded_swap(setup: Setup, readings: Readings, swap: Values) -> dict[str, object]:
    at = epoch_ms(swap["ts"])
    change = MeterChange(*CHANNEL, at, swap["final_reading_old"], swap["start_reading_new"])
    changed = replace(setup, changes=(change,))
    course = _follow(changed, readings)
    total = course.last.total_micro
    before = [(ts, value) for ts, value in readings if ts < at]
    is_closed = bool(before) and len(before) < len(readings) and not any(course.refused)
    # a reading stamped at the change is superseded by it, and lets the old meter's part be seen alone
    old = _follow(changed, [*before, (at, swap["final_reading_old"])]).last.total_micro if before else None
    parts = [old, total - old] if is_closed and total is not None and old is not None else []
    return {
        **_judged(course),
        "outcome": "new_segment" if is_closed else _swap_outcome(course),
        "slot_energy": course.value(total),
        "parts": [course.value(p) for p in parts],
        "segment_starts_at": iso(at),
        "segment_start_value": swap["start_reading_new"],
    }


def _back_feed(values: Values) -> dict[str, object]:
    energy, refused = {}, False
    for direction in ("import", "export"):
        readings = [(i * QUARTER_MS, value) for i, value in enumerate(values[f"{direction}_register"], 1)]
        course = _follow(_setup({}, values, readings), readings)
        energy[direction] = in_kwh(course.last.total_micro)
        refused |= any(course.refused)
    imported, exported = energy["import"], energy["export"]
    net = None if imported is None or exported is None else imported - exported
    return {"outcome": "blocked" if refused else "valid", "import_kwh": imported, "export_kwh": exported, "net_kwh": net}


def duplicate(params: Values, values: Values) -> dict[str, object]:
    """Keys are (meter, register, ts) as in the core; a case that keys by more has a channel for each value of the rest."""
    more = [k for k in params.get("key", ()) if k not in ("meter", "register", "ts")]
    records = values["records"]
    channels = [("|".join([r["meter"], *(str(r.get(k)) for k in more)]), r["register"]) for r in records]
    bench, events = Bench(Setup(QUARTER_MS, QUARTER_MS), dict.fromkeys(channels)), []
    revisions: dict[tuple[Channel, int], int] = {}
    for record, channel in zip(records, channels, strict=True):
        ts = epoch_ms(record["ts"])
        before = bench.stored(channel).get(ts)
        reason = bench.receive(channel, ts, record["value"], seq=record.get("seq"))
        after = bench.stored(channel).get(ts)
        events.append(reason or ("inserted" if before is None else "ignored" if after == before else "corrected"))
        revisions[channel, ts] = revisions.get((channel, ts), 0) + (after != before)
    return {
        "stored_rows": sum(len(bench.stored(c)) for c in dict.fromkeys(channels)),
        "events": events,
        "revision": revisions[channel, ts],
        "value": in_kwh(after),
    }


def late_data(params: Values, values: Values) -> dict[str, object]:
    length = int(params.get("slot_min", 15) * MINUTE_MS)
    setup = Setup(length, length, values.get("unit", "kWh"), max_gap_ms=7 * DAY_MS)
    if "late" in values:
        return _revised(replace(setup, lateness_ms=int(params.get("allowed_lateness_min", 120) * MINUTE_MS)), values)
    if "query_slot" in values:
        return _queried(setup, _readings(values["readings"]), epoch_ms(values["query_slot"]))
    tolerance = int(params.get("boundary_tolerance_s", 60) * 1000)
    return _hourly(replace(setup, kind="interval", tolerance_ms=tolerance), values["reading"])


def _revised(setup: Setup, values: Values) -> dict[str, object]:
    bench = Bench(setup)
    for ts, value in _readings(values["on_time"]):
        bench.receive(CHANNEL, ts, value)
    late = values["late"]
    (ts, value), received = _readings([late["reading"]])[0], epoch_ms(late["received"])
    bench.wait_until(received)
    before, total_before = _versions(bench), _total(bench)
    reason = bench.receive(CHANNEL, ts, value, received)
    bench.wait_until(received + 2 * MINUTE_MS)
    total_after = _total(bench)
    return {
        "outcome": reason or "accepted",
        "before": before,
        "after": _versions(bench),
        "total_unchanged": in_kwh(total_after) if total_after == total_before else None,
    }


def _versions(bench: Bench) -> dict[str, object]:
    """The rows by start. `revision` counts the versions since the slot was first known."""
    found: dict[str, object] = {}
    for start, rows in bench.rows.items():
        known = [r for i, r in enumerate(rows) if any(q.value_micro is not None for q in rows[: i + 1])] or rows[-1:]
        found[iso(start)] = {"kwh": in_kwh(known[-1].value_micro), "quality": known[-1].quality, "revision": len(known)}
    return found


def _total(bench: Bench) -> int:
    return sum(rows[-1].value_micro or 0 for rows in bench.rows.values())


def _queried(setup: Setup, readings: Readings, start: int) -> dict[str, object]:
    bench = Bench(setup)
    for ts, value in readings:
        bench.receive(CHANNEL, ts, value)
    bench.wait_until(max(bench.partition.ingest, start + setup.length_ms) + 2 * MINUTE_MS)
    row = bench.rows.get(start, [Row(start, None, "MISSING")])[-1]
    is_estimated = row.quality == "ESTIMATED"
    return {
        "measured": None if is_estimated else in_kwh(row.value_micro),
        "estimate": in_kwh(row.value_micro) if is_estimated else None,
        "quality": row.quality,
    }


def _hourly(setup: Setup, reading: Values) -> dict[str, object]:
    bench = Bench(setup)
    received = epoch_ms(reading["received"])
    ts = epoch_ms(reading["measured_for"]) if "measured_for" in reading else received
    reason = bench.receive(CHANNEL, ts, reading.get("value", 1.0), received)
    bench.wait_until(received + setup.length_ms)
    slot = next((start for start, rows in bench.rows.items() if rows[-1].value_micro is not None), None)
    return {
        "outcome": reason or "accepted",
        "slot_start": None if slot is None else iso(slot),
        "slot_end": None if slot is None else iso(slot + setup.length_ms),
    }
