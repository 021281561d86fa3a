"""Field cases: folders with a zone.yaml, a file of readings and expected.json, run through `zonepulse replay file`.

Each is made from a public report (its `source`) or derived from a rule of the design. `expect` says what holds of the command and of the
tables that it writes; energies are micro-units, carbon mg, times UTC, a channel is "METER REGISTER".

    exit, says                      exit code of the command; texts that it prints
    rows, no_rows, rows_at_most     {channel: [[start, value_micro or null], ...]}, [start, ...]; upper bounds, null counts as 0
    how                             {channel: [[start, quality, method], ...]}
    sum, measured_max               {channel: [low, high]} of all value_micro; {channel: most} of rows of quality measured
    alerts, no_alerts, alerts_any   rules that all occur, do not, one of which does
    open_alerts                     {channel: n}: at least n alerts of its meter are not resolved
    dead_letters                    {reason: count}, all of them
    totals, totals_co2e             [entity_kind, entity, start, carrier, scope, basis, energy_micro or co2e_mg]
    emissions_co2e                  [meter, register, start, co2e_mg], basis location
    intensity, g_per_kwh            [node, basis, start, energy_micro, co2e_mg]; [node, basis, start, g_per_kwh]
    any                             one of its members holds: intensity_null [node, basis, start], open_alerts_total n

`may_refuse`, beside `expect`: the case also holds where registry or file is refused (exit code 1 to 3) with all of these words.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from typer.testing import CliRunner
from verdict import Verdict, show

from zonepulse.streams.cli.main import app

Row = dict[str, Any]
EXPECTED = "expected.json"


def is_case(folder: Path) -> bool:
    """Whether a folder is a field case."""
    return (folder / EXPECTED).is_file() and (folder / "zone.yaml").is_file()


def judge(folder: Path) -> Verdict:
    """Run one case."""
    case = json.loads((folder / EXPECTED).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as out:
        arguments = [
            "replay",
            "file",
            "--zone",
            folder / "zone.yaml",
            folder / case["file"],
            "--out",
            out,
            *case.get("options", []),
        ]
        ran = CliRunner().invoke(app, [str(a) for a in arguments])
        if ran.exit_code in (1, 2, 3) and case.get("may_refuse") and all(word in ran.output for word in case["may_refuse"]):
            return Verdict(folder.name, case["kind"])
        found = Found(Path(out), ran.exit_code, ran.output)
    return Verdict(folder.name, case["kind"], tuple(_problems(case["expect"], found)))


class Found:
    """What a replay wrote and printed."""

    def __init__(self, out: Path, exit_code: int, printed: str) -> None:
        self.exit_code, self.printed, self._out = exit_code, printed, out
        self.intervals = {(f"{r['meter']} {r['register']}", _ms(r["start"])): r for r in self._rows("intervals")}
        self.alerts = sorted(self._rows("alerts"), key=lambda a: a["revision"])
        self.rules = {a["rule"] for a in self.alerts}
        last = {(a["fingerprint"], a["starts_at"]): a for a in self.alerts}
        self.open_alerts = [a for a in last.values() if a["state"] != "resolved"]
        self.dead_letters = dict(Counter(d["reason"] for d in self._rows("dead_letters")))
        self.totals, self.emissions, self.intensity = (self._rows(name) for name in ("totals", "emissions", "intensity"))

    def _rows(self, table: str) -> list[Row]:
        path = self._out / f"{table}.parquet"
        return pq.read_table(path).to_pylist() if path.is_file() else []

    def value(self, channel: str, start: str) -> Any:
        """value_micro of a window, None without one."""
        return self.intervals.get((channel, _ms(start)), {}).get("value_micro")

    def of_channel(self, channel: str) -> list[Row]:
        """Its rows."""
        return [row for (name, _), row in self.intervals.items() if name == channel]


def _ms(time: str | datetime) -> int:
    moment = datetime.fromisoformat(time) if isinstance(time, str) else time
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _each(by_channel: Mapping[str, list[Any]]) -> Iterator[tuple[str, Any]]:
    for channel, members in by_channel.items():
        for member in members:
            yield channel, member


def _differ(what: str, got: Any, expected: Any) -> Iterator[str]:
    if got != expected:
        yield f"{what}\n    expected {show(expected)}\n    got      {show(got)}"


def _exit(found: Found, code: int) -> Iterator[str]:
    if found.exit_code != code:
        yield f"exit code\n    expected {code}\n    got      {found.exit_code}: {found.printed.strip()[-300:]}"


def _says(found: Found, texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        if text.lower() not in found.printed.lower():
            yield f"does not say {text!r}"


def _row_values(found: Found, expected: Any) -> Iterator[str]:
    for channel, (start, value) in _each(expected):
        yield from _differ(f"{channel} {start}", found.value(channel, start), value)


def _no_rows(found: Found, expected: Any) -> Iterator[str]:
    for channel, start in _each(expected):
        if (channel, _ms(start)) in found.intervals:
            yield f"{channel} {start}: a row, expected none"


def _rows_at_most(found: Found, expected: Any) -> Iterator[str]:
    for channel, (start, most) in _each(expected):
        if (found.value(channel, start) or 0) > most:
            yield f"{channel} {start}: {found.value(channel, start)} is above {most}"


def _how(found: Found, expected: Any) -> Iterator[str]:
    for channel, (start, quality, method) in _each(expected):
        row = found.intervals.get((channel, _ms(start)))
        yield from _differ(f"{channel} {start}", row and [row["quality"], row["method"] or ""], [quality, method])


def _sum(found: Found, expected: Any) -> Iterator[str]:
    for channel, (low, high) in expected.items():
        total = sum(row["value_micro"] or 0 for row in found.of_channel(channel))
        if not low <= total <= high:
            yield f"{channel}: sum {total}, expected {low} to {high}"


def _measured_max(found: Found, expected: Any) -> Iterator[str]:
    for channel, most in expected.items():
        for row in found.of_channel(channel):
            if row["quality"] == "measured" and (row["value_micro"] or 0) > most:
                yield f"{channel} {row['start']}: measured {row['value_micro']} is above {most}"


def _alerts(found: Found, expected: Any) -> Iterator[str]:
    yield from (f"no alert {rule}" for rule in expected if rule not in found.rules)


def _no_alerts(found: Found, expected: Any) -> Iterator[str]:
    yield from (f"alert {rule}" for rule in expected if rule in found.rules)


def _alerts_any(found: Found, expected: Any) -> Iterator[str]:
    if not found.rules & set(expected):
        yield f"no alert {' or '.join(expected)}"


def _open_alerts(found: Found, expected: Any) -> Iterator[str]:
    for channel, least in expected.items():
        n = sum(alert["meter"] == channel.split()[0] for alert in found.open_alerts)
        if n < least:
            yield f"{channel}: {n} open alerts, expected {least}"


def _column(table: str, key: tuple[str, ...], columns: tuple[str, ...]) -> Callable[[Found, Any], Iterator[str]]:
    """Compares `columns` of the one row of a table that a line of the case names by `key`."""

    def compare(found: Found, expected: Any) -> Iterator[str]:
        for line in expected:
            named, values = line[: len(key)], line[len(key) :]
            rows = [r for r in getattr(found, table) if [_ms(r[k]) if k == "start" else r[k] for k in key] == _plain(key, named)]
            got = [[r[c] for c in columns] for r in rows if table != "emissions" or r["basis"] == "location"]
            if len(got) != 1 or any(not _equal(g, v) for g, v in zip(got[0], values, strict=True)):
                yield from _differ(f"{table} {' '.join(map(str, named))}", got, [values])

    return compare


def _plain(key: tuple[str, ...], named: list[Any]) -> list[Any]:
    return [_ms(value) if name == "start" else value for name, value in zip(key, named, strict=True)]


def _equal(got: Any, expected: Any) -> bool:
    if isinstance(got, float) and expected is not None:
        return abs(got - expected) <= 1e-6
    return bool(got == expected)


def _any(found: Found, expected: Any) -> Iterator[str]:
    members = [pair for part in (expected if isinstance(expected, list) else [expected]) for pair in part.items()]
    for key, wanted in members:
        if key == "open_alerts_total" and len(found.open_alerts) >= wanted:
            return
        if key == "intensity_null":
            node, basis, start = wanted[:3]
            named = [r for r in found.intensity if (r["node"], r["basis"], _ms(r["start"])) == (node, basis, _ms(start))]
            if any(r["co2e_mg"] is None for r in named):
                return
    yield "none of `any` holds"


_TOTAL = ("entity_kind", "entity", "start", "carrier", "scope", "basis")
_NODE = ("node", "basis", "start")
_CHECKS: dict[str, Callable[[Found, Any], Iterator[str]]] = {
    "exit": _exit,
    "says": _says,
    "rows": _row_values,
    "no_rows": _no_rows,
    "rows_at_most": _rows_at_most,
    "how": _how,
    "sum": _sum,
    "measured_max": _measured_max,
    "alerts": _alerts,
    "no_alerts": _no_alerts,
    "alerts_any": _alerts_any,
    "open_alerts": _open_alerts,
    "dead_letters": lambda found, expected: _differ("dead letters", found.dead_letters, expected),
    "totals": _column("totals", _TOTAL, ("energy_micro",)),
    "totals_co2e": _column("totals", _TOTAL, ("co2e_mg",)),
    "emissions_co2e": _column("emissions", ("meter", "register", "start"), ("co2e_mg",)),
    "intensity": _column("intensity", _NODE, ("energy_micro", "co2e_mg")),
    "g_per_kwh": _column("intensity", _NODE, ("g_per_kwh",)),
    "any": _any,
}


def _problems(expected: Mapping[str, Any], found: Found) -> Iterator[str]:
    for key, value in expected.items():
        if key not in _CHECKS:
            yield f"expect.{key}: this runner does not know the key; it knows {', '.join(_CHECKS)}"
        else:
            yield from _CHECKS[key](found, value)
