"""Hypothesis strategies of logs: what the meters of a zone send, and everything that goes wrong on the way.

Times lean towards edges (windows, validities, lateness, future, max_gap), values towards the limits of VEE.
"""

import io
import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa
from hypothesis import strategies as st
from zone_strategies import BASE, HOUR, MINUTE, Draw, instant, window_of, yaml_of, zones

from zonepulse.oracle.metering.decode import ARROW_TYPE, JSON_TYPE, Record
from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.messages.readings import ARROW_SCHEMA, one_row_stream
from zonepulse.schemas.units import to_micro

CALM: Final = {
    "step": ("period", "period", "period", "period", "period", "grid", "edge", "odd"),
    "rise": ("normal", "normal", "normal", "flat", "limit", "corrected"),
    "delay": ("none", "none", "none", "second", "half", "outage"),
}
WILD: Final = {
    "step": ("period", "period", "edge", "grid", "odd", "same", "back", "gap", "long", "validity", "off", "silence"),
    "rise": (
        "normal",
        "normal",
        "flat",
        "limit",
        "limit_more",
        "over",
        "drop",
        "fall",
        "zero",
        "reset",
        "jump",
        "negative",
        "huge",
        "near_end",
    ),
    "delay": ("none", "none", "tick", "window", "lateness", "too_late", "future", "too_future", "half", "outage"),
}
SCRIPTS: Final = {
    "frozen": (("period", "flat", 1, 5), ("period", "caught_up", 1, 1), ("period", "after_wait", 0, 2)),
    "frozen_over": (("period", "flat", 0, 3), ("period", "caught_up", 1, 2), ("period", "return", 0, 1)),
    "night": (("period", "zero", 1, 5), ("period", "return", 0, 1), ("period", "normal", 0, 2)),
    "excursion": (("period", "elsewhere", 1, 5), ("period", "return", 0, 1), ("period", "normal", 0, 1)),
    "life": (("period", "reset", 1, 1), ("period", "life", 1, 5), ("period", "return", 0, 1)),
    "tenth": (("period", "tenth", 1, 1), ("period", "normal", 1, 4)),
    "silent": (("pause", "behind_silence", 1, 1), ("period", "life", 0, 4), ("period", "return", 0, 1)),
    "resets": (("period", "reset", 1, 1), ("period", "life", 0, 1), ("period", "reset", 1, 1), ("period", "return", 0, 1)),
    "half": (("period", "half", 1, 1), ("period", "life", 0, 3), ("period", "return", 0, 1)),
    "wrap": (("grid", "near_end", 1, 1), ("pause", "wrapped", 1, 1), ("period", "normal", 0, 2)),
}
"""What registers do in the field: steps, what they show, and how often at least and at most."""
MOODS: Final = {
    "calm": (CALM, CALM, CALM, CALM, CALM, CALM, CALM, WILD),
    "mixed": (CALM, CALM, WILD),
    "wild": (WILD,),
}
"""How often a register does what it should."""
SENT_TYPES: Final = ("object", "object", "array", "arrow")


@dataclass(frozen=True, slots=True)
class Case:
    """A zone and a log of it. `records` are in the order of their arrival, offsets ascending within a partition."""

    zone: dict[str, Any]
    records: list[Record]
    partitions: int

    @property
    def text(self) -> str:
        """zone.yaml."""
        return yaml_of(self.zone)


@dataclass(slots=True)
class Sent:
    """A reading on its way. `key` chooses the partition."""

    arrival_ms: int
    key: str
    fields: dict[str, Any]


@dataclass(slots=True)
class Register:
    """What a simulated register needs to know of its versions."""

    zone: dict[str, Any]
    meter: str
    name: str
    versions: list[dict[str, Any]]

    def at(self, ts: int) -> dict[str, Any]:
        """The version valid at `ts`, else the nearest."""
        for version in self.versions:
            if ts <= instant(version.get("valid_to"), 1 << 62):
                return version
        return self.versions[-1]

    def edges(self) -> list[int]:
        """Its validity edges and known changes."""
        bounds = [v[k] for v in self.versions for k in ("valid_from", "valid_to") if v.get(k)]
        bounds += [c["at"] for c in self.zone["meter_changes"] if (c["meter"], c["register"]) == (self.meter, self.name)]
        return sorted(instant(text, 0) for text in bounds)


def partition_key(zone: dict[str, Any], version: dict[str, Any]) -> str:
    """The key that a meter's gateway sends with."""
    return str(
        {"gateway": version.get("gateway") or version["site"], "site": version["site"], "meter": version["id"]}[zone["zone"]["key"]]
    )


def micro_in(register: dict[str, Any]) -> tuple[Fraction, Fraction]:
    """Micro-units in one transmitted unit, and the most that one hour adds, in transmitted units."""
    _, scale = to_micro(register["unit"], register["carrier"], register["kind"], register.get("reference"))
    most = Fraction(str(register.get("max_power", 500))) * 1_000_000 / scale / Fraction(str(register["multiplier"]))
    return scale, most


def number(value: Fraction | float) -> float | int:
    """What stands in the JSON: whole numbers as such."""
    found = float(value)
    return int(found) if found.is_integer() and abs(found) < 1e15 else found


RISES: Final = {
    "caught_up": ("caught_up", "caught_up", "limit_since", "over_since", "normal_since"),
    "after_wait": ("flat", "flat", "normal", "back_more", "over"),
    "return": ("back", "back_more", "back_more", "limit_since"),
    "elsewhere": ("elsewhere", "elsewhere_more", "old"),
    "life": ("normal", "normal", "flat", "limit"),
    "behind_silence": ("reset", "nine_tenths", "tenth_wrap", "tenth_wrap_more", "normal", "limit", "flat"),
    "wrapped": ("wrap", "wrap", "wrap_limit", "tenth_wrap"),
    "half": ("half", "half_more"),
}
"""What a word of a script may mean."""


class Since(NamedTuple):
    """What a register showed when its script began, and the most that it can have advanced since."""

    shown: Fraction
    bound: Fraction


@st.composite
def acts(draw: Draw) -> list[tuple[str, str]]:
    """A script played: (step, rise) of every reading."""
    script = SCRIPTS[draw(st.sampled_from(sorted(SCRIPTS)))]
    return [(step, rise) for step, rise, low, high in script for _ in range(draw(st.integers(low, high)))]


@st.composite
def readings(draw: Draw, register: Register, longest: int) -> list[Sent]:
    """What one register sends, in the order of its clock."""
    policy = register.zone["zone"]
    window = window_of(policy)
    limits = {name: int(policy[name].removesuffix("s")) * 1000 for name in ("lateness", "future", "max_gap", "tick")}
    ts = BASE + draw(st.integers(-1, 4)) * window + draw(st.sampled_from((0, 0, window // 3, 1, 420_000 % window)))
    first = register.at(ts)["registers"][register.name]
    if first["kind"] == "interval" and draw(st.integers(0, 3)):
        ts = _moved(draw, register, ts, "grid", window, first, limits)
    shown: Fraction | None = None
    out: list[Sent] = []
    outage = 0
    moods = MOODS[draw(st.sampled_from(sorted(MOODS)))]
    script: list[tuple[str, str]] = []
    kept = (ts, Fraction(0))
    for _ in range(draw(st.integers(1, longest))):
        step, rise, delay = (draw(st.sampled_from(draw(st.sampled_from(moods))[what])) for what in ("step", "rise", "delay"))
        if not script and shown is not None and draw(st.integers(0, 5)) == 0:
            script, kept = draw(acts()), (ts, shown)
        if script:
            step, rise = script.pop(0)
        version = register.at(ts)
        facts = version["registers"][register.name]
        period = int(facts["period"].removesuffix("s")) * 1000
        before = ts
        ts = _moved(draw, register, ts, step, window, facts, limits)
        if out and step == "back":
            before = ts - period
        version = register.at(ts)
        facts = version["registers"][register.name]
        scale, most = micro_in(facts)
        if shown is None:
            modulus = Fraction(str(facts["modulus"])) if facts.get("modulus") else Fraction(10**6)
            shown = draw(st.sampled_from((Fraction(0), modulus / 2, modulus - most * period / HOUR / 4)))
        if facts["kind"] == "cumulative":
            rises = draw(st.sampled_from(RISES.get(rise, (rise,))))
            since = Since(kept[1], most * max(abs(ts - kept[0]), period) / HOUR)
            sent, shown = _register_value(facts, shown, rises, most * max(abs(ts - before), period) / HOUR, scale, since)
        else:
            sent = _flow_value(rise, most * (Fraction(period, HOUR) if facts["kind"] == "interval" else 1), scale)
        if delay == "outage":
            outage = max(outage, ts + window)
        arrival = ts + _delay(delay, limits, window)
        arrival = max(arrival, outage) if delay in ("none", "outage") else arrival
        fields = _fields(draw, register, facts, ts, sent)
        out.append(Sent(arrival, partition_key(register.zone, version), fields))
        if step == "back":
            ts = max(ts, before + 2 * period)
    return out


def _ahead(zone: dict[str, Any], facts: dict[str, Any]) -> int:
    """By how much the grid of a register's periods is ahead of that of UTC (the clocks of these zones do not change near BASE)."""
    clock = datetime.fromtimestamp(BASE / 1000, ZoneInfo(zone["zone"]["timezone"])).utcoffset()
    assert clock is not None
    return clock // timedelta(milliseconds=1) - int(facts.get("offset", "0s").removesuffix("s")) * 1000


def _moved(draw: Draw, register: Register, ts: int, step: str, window: int, facts: dict[str, Any], limits: dict[str, int]) -> int:
    period = int(facts["period"].removesuffix("s")) * 1000
    max_gap = limits["max_gap"]
    if step == "edge":
        return (ts // window + draw(st.integers(1, 2))) * window
    if step == "validity":
        return next((e for e in register.edges() if e > ts), ts + period)
    steps = {
        "period": period,
        "grid": period - (ts + _ahead(register.zone, facts)) % period,
        "pause": draw(st.sampled_from((2, 3, 5, 8))) * period if step == "pause" else 0,
        "odd": draw(st.integers(1, 2 * period)) if step == "odd" else 0,
        "same": 0,
        "back": -draw(st.sampled_from((period, window, period // 2, 1))) if step == "back" else 0,
        "gap": draw(st.sampled_from((max_gap, max_gap + 1, 2 * max_gap, max_gap + window))) if step == "gap" else 0,
        "silence": 2 * limits["max_gap"] + limits["lateness"] + 6 * window,
        "long": 3 * min(period, window) // 2 + draw(st.sampled_from((0, 1))) if step == "long" else 0,
        "off": draw(st.sampled_from((1, 60_000, 60_001, -1))) if step == "off" else 0,
    }
    return ts + steps[step]


def _register_value(
    facts: dict[str, Any], shown: Fraction, rise: str, bound: Fraction, scale: Fraction, since: Since
) -> tuple[float, Fraction]:
    """(what is sent, what the register shows after it)."""
    modulus = Fraction(str(facts["modulus"])) if facts.get("modulus") else None
    micro, most = 1 / scale, since.bound
    passing = {
        "zero": Fraction(0), "negative": Fraction(-1), "huge": Fraction(10**12), "corrected": shown + bound / 8,
        "elsewhere": since.shown * 3 + 5 * most, "elsewhere_more": since.shown * 3 + 5 * most + bound / 9, "old": shown - 2 * bound,
        "drop": shown - bound / 5, "over": shown + bound * 13 / 10,
    }  # fmt: skip
    if rise in passing:
        return _rounded(passing[rise], scale), shown
    lasting = {
        "normal": shown + bound / 3, "flat": shown, "limit": shown + bound * 6 / 5, "limit_more": shown + bound * 6 / 5 + micro,
        "fall": shown / 2 - 1, "reset": bound / 7, "jump": shown + 9 * bound, "near_end": (modulus or Fraction(1000)) - bound / 5,
        "caught_up": since.shown + most * 4 / 5, "limit_since": since.shown + most * 6 / 5, "normal_since": since.shown + most / 3,
        "over_since": since.shown + most * 6 / 5 + micro, "back": since.shown, "back_more": since.shown + most / 5,
        "tenth": shown / 10, "half": shown / 2, "half_more": shown / 2 + micro, "nine_tenths": shown * 9 / 10,
        "tenth_wrap": shown + (modulus or 1000) / 10, "tenth_wrap_more": shown + (modulus or 1000) / 10 + micro,
        "wrap": shown + bound / 3, "wrap_limit": shown + bound,
    }[rise]  # fmt: skip
    if modulus is not None:
        lasting %= modulus
    lasting = Fraction(round(lasting * scale), 1) / scale
    return float(lasting), lasting


def _rounded(value: Fraction, scale: Fraction) -> float:
    return float(Fraction(round(value * scale)) / scale)


def _flow_value(rise: str, most: Fraction, scale: Fraction) -> float:
    """A power, or the energy of a period."""
    shares = {
        "normal": Fraction(1, 3),
        "flat": Fraction(0),
        "limit": Fraction(6, 5),
        "limit_more": Fraction(6, 5),
        "over": Fraction(13, 10),
        "negative": Fraction(-1, 3),
    }
    if rise == "huge":
        return 1e300
    exact = most * shares.get(rise, Fraction(4, 7))
    if rise in ("limit", "limit_more"):
        return float(Fraction(round(exact * scale) + (rise == "limit_more")) / scale)
    return float(exact)


def _delay(name: str, limits: dict[str, int], window: int) -> int:
    return {
        "none": 0, "outage": 0, "second": 1000, "tick": limits["tick"], "window": window, "lateness": limits["lateness"],
        "too_late": limits["lateness"] + 1, "future": -limits["future"], "too_future": -limits["future"] - 1,
        "half": limits["lateness"] // 2,
    }[name]  # fmt: skip


def _fields(draw: Draw, register: Register, facts: dict[str, Any], ts: int, value: float) -> dict[str, Any]:
    fields: dict[str, Any] = {"meter": register.meter, "register": register.name, "ts": ts, "value": number(value)}
    odd = draw(st.integers(0, 15))
    if odd == 0:
        fields["seq"] = draw(st.sampled_from((0, 1, 2, 2**32 - 1)))
    elif odd in (1, 2):
        fields["quality"] = draw(st.sampled_from(("estimated", "corrected", "measured", "manual")))
    elif odd == 3:
        fields["unit"] = draw(st.sampled_from((facts["unit"], facts["unit"], "furlong", "kWh")))
    elif odd == 5 and draw(st.booleans()):
        fields["ts"] = ts // 1000
    elif odd == 4:
        fields |= {"seq": draw(st.integers(0, 2)), "quality": draw(st.sampled_from(("estimated", "corrected", "manual")))}
    return fields


JUNK_ITEM: Final = '{"meter":"m0","register":"1.8.0","ts":%s,"value":%s}'
JUNK: Final = (
    b"",
    b"{",
    b"[]",
    b"[[]]",
    b"null",
    b"\xff",
    b"\xff\xff\xff\xff",
    b'{"meter":"m0"}',
    b'{"meter":"m0","meter":"m0"}',
    b'[{"meter":"m0","register":"1.8.0","ts":1,"value":1}, 7]',
    b'{"meter":"nobody","register":"1.8.0","ts":1790812800000,"value":1}',
    b'{"meter":"m0","register":"9","ts":1790812800000,"value":1}',
    b'{"meter":"m\\u0030","register":"1.8.0","ts":1790813220000,"value":1E2,"seq":null}',
    *(
        (JUNK_ITEM % item).encode()
        for item in (
            ('"2026-10-01T02:00:00"', "1"),
            ('"2026-10-01T08:07:30.1239+08:00"', "1e400"),
            ("1790812800000", "NaN"),
            ("99999999999999999999", "1"),
            ("1790812800000", "123456789012345678901234567890"),
            ("1.0", "1"),
            ("1790813220000", '"1"'),
        )
    ),
)
"""Records that are wholly or partly no readings, or written in ways that a fast parser does not take."""


def arrow_block(rows: list[dict[str, Any]]) -> bytes:
    """Readings as a columnar block."""
    sink = io.BytesIO()
    plain = [{**row, "value": float(row["value"])} for row in rows]
    table = pa.Table.from_pylist(plain, ARROW_SCHEMA)
    if len(rows) == 1:
        return one_row_stream(table, 0)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _value(kind: str, rows: list[dict[str, Any]]) -> bytes:
    if kind == "arrow":
        return arrow_block(rows)
    return json.dumps(rows if kind == "array" or len(rows) > 1 else rows[0]).encode()


@st.composite
def logs(draw: Draw, zone: dict[str, Any], partitions: int, *, clean: bool = False, longest: int = 12) -> list[Record]:
    """The log of a zone. `clean`: one reading a record, all with the right key, no junk, ingest times non-decreasing."""
    by_meter: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for version in zone["meters"]:
        for name in version["registers"]:
            by_meter[version["id"], name].append(version)
    sent = [
        s for (meter, name), versions in by_meter.items() for s in draw(readings(Register(zone, meter, name, versions), longest))
    ]
    sent.sort(key=lambda s: s.arrival_ms)
    records = _packed(draw, sent, partitions, clean)
    if not clean:
        for _ in range(draw(st.integers(0, 3))):
            at = draw(st.integers(0, len(records)))
            when = records[at - 1][1] if at else BASE
            records.insert(at, (draw(st.integers(0, partitions - 1)), when, None, draw(st.sampled_from(JUNK)), ()))
    first = min(r[1] for r in records)
    records = [(p, first, None, b"[]", ()) for p in range(partitions)] + records
    if draw(st.integers(0, 3)) == 0:
        later = records[-1][1] + draw(st.sampled_from((HOUR, 30 * HOUR)))
        records.append((draw(st.integers(0, partitions - 1)), later, None, b"[]", ()))
    return numbered(records)


Unnumbered = tuple[int, int, bytes | None, bytes, tuple[tuple[str, bytes], ...]]


def numbered(records: list[Unnumbered]) -> list[Record]:
    """Records with the offsets of their partitions."""
    offsets: defaultdict[int, int] = defaultdict(int)
    out = []
    for partition, timestamp, key, value, headers in records:
        out.append(Record(partition, offsets[partition], timestamp, key, value, headers))
        offsets[partition] += 1
    return out


def _packed(draw: Draw, sent: list[Sent], partitions: int, clean: bool) -> list[Unnumbered]:
    """Neighbours of one partition share a record now and then; a record travels at the arrival of its last reading."""
    records: list[Unnumbered] = []
    latest = 0
    while sent:
        size = 1 if clean else draw(st.sampled_from((1, 1, 1, 2, 5)))
        key = sent[0].key
        partition = partition_of(key, partitions)
        rows = [s for s in sent[: 2 * size] if partition_of(s.key, partitions) == partition][:size]
        sent = [s for s in sent if not any(s is r for r in rows)]
        kind = "object" if clean else draw(st.sampled_from(SENT_TYPES))
        headers: tuple[tuple[str, bytes], ...] = ()
        timestamp = rows[-1].arrival_ms
        if not clean and draw(st.integers(0, 9)) == 0:
            headers = (("content-type", ARROW_TYPE if kind == "arrow" else JSON_TYPE),)
            timestamp -= draw(st.sampled_from((0, 1, 5 * MINUTE)))
        if not clean and draw(st.integers(0, 29)) == 0:
            partition = (partition + 1) % partitions
        latest = max(latest, timestamp)
        records.append((partition, latest if clean else timestamp, key.encode(), _value(kind, [r.fields for r in rows]), headers))
    return records


@st.composite
def cases(draw: Draw, *, clean: bool = False, longest: int = 12) -> Case:
    """A zone, a partition count and a log."""
    zone = draw(zones(may_move=not clean))
    partitions = draw(st.integers(1, 3))
    return Case(zone, draw(logs(zone, partitions, clean=clean, longest=longest)), partitions)
