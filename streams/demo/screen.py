"""A zone in a terminal: what the demo and `zonepulse top` show; reads only the store."""

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

_SEVERITY: Final = {"critical": "bold magenta", "warning": "yellow", "info": "cyan"}
_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_HEIGHT: Final = 8
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
SELECT starts_at, severity, rule, company, meter, state FROM alerts_final
WHERE run = 'live' AND zone = {zone:String} ORDER BY revision DESC, starts_at DESC LIMIT 6"""
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
    alerts: list[tuple[Any, ...]] = field(default_factory=list)
    counts: tuple[int, int, int] = (0, 0, 0)

    def refresh(self, client: Client) -> None:
        """Read the store again."""
        of = {"zone": self.zone}
        self.intensity = [(at, g) for at, g in reversed(client.query(_INTENSITY, of).result_rows)]
        self.emitters = [(name, kg) for name, kg in client.query(_EMITTERS, of).result_rows]
        self.alerts = [tuple(row) for row in client.query(_ALERTS, of).result_rows]
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
        for column in ("since (UTC)", "severity", "rule", "company", "meter", "state"):
            table.add_column(column)
        for at, severity, rule, company, meter, state in self.alerts:
            mark = Text(severity, style=_SEVERITY.get(severity, ""))
            table.add_row(f"{at:%m-%d %H:%M}", mark, rule, company or "zone", meter, state)
        return Panel(table, title="newest alerts", title_align="left", height=9)


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
    return Group(totals, facts)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def utc(ms: int) -> str:
    """Epoch ms as text."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()
