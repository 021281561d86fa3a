"""A zone in a terminal: what the demo and `zonepulse top` show; reads only the store."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from rich.align import Align
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from zonepulse.schemas.values import visible
from zonepulse.streams.queries.texts import TEXTS

_SEVERITY: Final = {"critical": "bold magenta", "warning": "yellow", "info": "cyan"}
_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_HEIGHT: Final = 8
_MOST_NAMED: Final = 6
"""False alarms that the summary names."""
_SPARKS: Final = 64
"""Newest windows in the sparkline."""
_INTENSITY: Final = """
SELECT start, g_per_kwh FROM intensity_final
WHERE run = 'live' AND zone = {zone:String} AND node = '' AND basis = 'location' ORDER BY start DESC LIMIT 96"""
_EMITTERS: Final = """
SELECT entity, sumOrNull(co2e_mg) / 1e6 AS kg FROM totals_final
WHERE run = 'live' AND zone = {zone:String} AND entity_kind = 'company' AND carrier = '' AND basis = 'location'
  AND start > (SELECT max(start) FROM intensity WHERE run = 'live' AND zone = {zone:String}) - INTERVAL 1 DAY
GROUP BY entity ORDER BY kg DESC NULLS LAST LIMIT 5"""
_ALERTS: Final = """
SELECT starts_at, toString(severity) AS severity, toString(rule) AS rule, if(meter = '', toString(company), toString(meter)) AS place,
  value, expected_low AS low, expected_high AS high, impact_kg AS kg,
  JSONExtract(evidence, 'impact_kwh', 'Nullable(Float64)') AS kwh, JSONExtract(evidence, 'impact_cost', 'Nullable(Float64)') AS cost,
  JSONExtractString(evidence, 'currency') AS currency
FROM alerts_final WHERE run = 'live' AND zone = {zone:String} AND state != 'resolved'
ORDER BY indexOf(['critical', 'warning', 'info'], severity), impact_kg DESC NULLS LAST, starts_at DESC, fingerprint LIMIT 8"""
"""What fires, the worst and costliest first, as `alerts list` has it."""
_COUNTS: Final = """
SELECT (SELECT count() FROM intervals_final WHERE run = 'live' AND zone = {zone:String}),
       (SELECT count() FROM dead_letters_final WHERE run = 'live' AND zone = {zone:String}),
       (SELECT count() FROM alerts_final WHERE run = 'live' AND zone = {zone:String} AND state = 'raised')"""


@dataclass(slots=True)
class View:
    """What the screen knows: from the feed, the log and the store."""

    name: str
    zone: str
    """Its id."""
    total: int = 0
    """Readings that there are to send; 0 = nobody knows."""
    sent: int = 0
    rate: float = 0.0
    lag: int = 0
    stage: str = "starting"
    intensity: list[tuple[datetime, float | None]] = field(default_factory=list)
    emitters: list[tuple[str, float | None]] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    counts: tuple[int, int, int] = (0, 0, 0)

    def refresh(self, client: Client) -> None:
        """Read the store again."""
        of = {"zone": self.zone}
        self.intensity = [(at, g) for at, g in reversed(client.query(_INTENSITY, of).result_rows)]
        self.emitters = [(name, kg) for name, kg in client.query(_EMITTERS, of).result_rows]
        self.alerts = list(client.query(_ALERTS, of).named_results())
        intervals, letters, alerts = client.query(_COUNTS, of).result_rows[0]
        self.counts = (intervals, letters, alerts)

    def render(self) -> RenderableType:
        """The whole screen."""
        body = Table.grid(expand=True)
        body.add_column(ratio=5)
        body.add_column(ratio=3)
        body.add_row(self._intensity(), self._emitters())
        return Group(self._head(), body, self._alerts())

    def _head(self) -> RenderableType:
        intervals, letters, alerts = self.counts
        at = f"{self.intensity[-1][0]:%Y-%m-%d %H:%M} UTC" if self.intensity else "its first window"
        numbers = {"records/s": self.rate, "lag": self.lag, "intervals": intervals, "dead letters": letters, "open alerts": alerts}
        parts = [part for name, n in numbers.items() for part in (f"{name} ", (f"{n:,.0f}", "bold"), "   ")]
        line = Text.assemble(*parts, f"ledger at {at}")
        parts_shown = [line, ProgressBar(total=self.total, completed=self.sent)] if self.total else [line]
        return Panel(Group(*parts_shown), title=Text(f"zonepulse · {self.name} · {self.stage}"), title_align="left")

    def _intensity(self) -> RenderableType:
        known = [(at, g) for at, g in self.intensity if g is not None]
        if not known:
            return Panel(Align.center("no electricity yet", vertical="middle"), title="carbon intensity", height=_HEIGHT)
        low, high = min(g for _, g in known), max(g for _, g in known)
        at, newest = known[-1]
        lines = Group(
            Text.assemble((f"{newest:,.1f}", "bold"), f" g CO2e/kWh at {at:%H:%M}"),
            Text(""),
            Text("".join(_spark(g, low, high) for _, g in self.intensity[-_SPARKS:]), style="cyan", no_wrap=True),
            Text(f"last day: {low:,.0f} to {high:,.0f}", "dim"),
        )
        return Panel(lines, title="carbon intensity of the zone", title_align="left", height=_HEIGHT)

    def _emitters(self) -> RenderableType:
        table = Table.grid(expand=True)
        table.add_column()
        table.add_column(justify="right")
        for name, kg in self.emitters:
            table.add_row(name, "not known" if kg is None else f"{kg:,.1f} kg")
        return Panel(table, title="top emitters of the last day, CO2e", title_align="left", height=_HEIGHT)

    def _alerts(self) -> RenderableType:
        table = Table(expand=True, box=None, header_style="dim")
        for column in ("since (UTC)", "severity", "what", "where"):
            table.add_column(column, no_wrap=True)
        for column in ("value", "expected", "kWh", "kg CO2e", "cost"):
            table.add_column(column, justify="right", no_wrap=True)
        for row in self.alerts:
            mark = Text(row["severity"], style=_SEVERITY.get(row["severity"], ""))
            what, where = (visible(text) for text in (TEXTS.get(row["rule"], {}).get("en", row["rule"]), row["place"] or "zone"))
            impact = (_amount(row["kwh"]), _amount(row["kg"]), _amount(row["cost"], row["currency"]))
            table.add_row(f"{row['starts_at']:%m-%d %H:%M}", mark, what, where, _amount(row["value"]), _band(row), *impact)
        title = "what fires, the worst and costliest first: value of a window, what was expected, and what lies beyond it"
        return Panel(table, title=title, title_align="left", height=11)


def _amount(value: float | None, unit: str = "") -> str:
    """Three digits that count; empty where nothing is known."""
    if value is None:
        return ""
    return f"{value:,.0f} {unit}".rstrip() if abs(value) >= 100 else f"{value:.3g} {unit}".rstrip()


def _band(row: Mapping[str, Any]) -> str:
    low, high = _amount(row["low"] if row["low"] is None else max(row["low"], 0.0)), _amount(row["high"])
    return f"{low} to {high}" if low and high else f"under {high}" if high else f"over {low}" if low else ""


def _spark(value: float | None, low: float, high: float) -> str:
    if value is None:
        return "·"
    return _BLOCKS[1 + int((value - low) / (high - low or 1) * (len(_BLOCKS) - 2))]


def save_picture(view: View, file: Path, width: int = 116) -> None:
    """The screen as an SVG picture."""
    console = Console(record=True, width=width, file=StringIO())
    console.print(view.render())
    console.save_svg(str(file), title="zonepulse demo")


def summary_tables(summary: dict[str, Any]) -> RenderableType:
    """The summary as a person reads it."""
    totals = Table(title="Ledger by company", title_justify="left")
    totals.add_column("company")
    for column in ("electricity use, kWh", "gas, Nm3", "kg CO2e", "scope 2, market basis"):
        totals.add_column(column, justify="right")
    for row in summary["companies"]:
        totals.add_row(
            row["company"], *(_number(row[name]) for name in ("electricity_kwh", "gas_nm3", "co2e_kg", "scope_2_market_kg"))
        )
    facts = Table(title="Run", title_justify="left", show_header=False)
    facts.add_column()
    facts.add_column(justify="right")
    for name in ("readings", "records", "intervals", "alerts", "seconds", "readings_per_s"):
        facts.add_row(name.replace("_", " "), f"{summary[name]:,}")
    for reason, count in summary["dead_letters"].items():
        facts.add_row(f"dead letters: {reason}", f"{count:,}")
    facts.add_row("differences from the oracle", str(summary["oracle_differences"]))
    return Group(totals, facts, *([_planted(summary)] if summary["planted"] else []))


def _planted(summary: dict[str, Any]) -> RenderableType:
    days, false = summary["planted_days"], summary["false_alarms"]
    table = Table(
        title=f"Faults that this demo planted in the last {days} days (invented), and what was said of them", title_justify="left"
    )
    for column in ("fault", "meter", "began (UTC)", "first alert", "after, h"):
        table.add_column(column)
    for column in ("alerts", "kWh", "kg CO2e", "CNY"):
        table.add_column(column, justify="right")
    for one in summary["planted"]:
        first = TEXTS[one["rule"]]["en"] if one["rule"] else Text("not found", style="bold magenta")
        delay = "" if one["delay_h"] is None else f"{one['delay_h']:,.1f}"
        impact = (_amount(one[name]) for name in ("impact_kwh", "impact_kg", "impact_cny"))
        begin = f"{datetime.fromtimestamp(one['begin_ms'] / 1000, UTC):%m-%d %H:%M}"
        table.add_row(one["fault"].replace("_", " "), one["meter"], begin, first, delay, str(one["alerts"]), *impact)
    said = Counter(f"{TEXTS[one['rule']]['en']} at {one['meter']}" for one in false)
    lines = ", ".join(name if n == 1 else f"{name} ({n} times)" for name, n in said.most_common(_MOST_NAMED))
    more = f" and {len(said) - _MOST_NAMED} more places" if len(said) > _MOST_NAMED else ""
    table.caption = f"{len(false)} false alarms of detectors in {days} days on {summary['registers']} registers" + (
        f": {lines}{more}" if false else ""
    )
    table.caption_justify = "left"
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def utc(ms: int) -> str:
    """Epoch ms as text."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()
