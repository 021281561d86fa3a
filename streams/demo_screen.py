"""What the demo shows while it runs and when it is done; reads only the store."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from rich.align import Align
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_SEVERITY: Final = {"critical": "bold magenta", "warning": "yellow", "info": "cyan"}
_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_INTENSITY: Final = "SELECT start, g_per_kwh FROM intensity_final WHERE run = 'live' AND node = '' ORDER BY start DESC LIMIT 96"
_EMITTERS: Final = """
SELECT entity, sumOrNull(co2e_mg) / 1e6 AS kg FROM totals_final
WHERE run = 'live' AND entity_kind = 'company' AND carrier = '' AND start > (SELECT max(start) FROM intensity) - INTERVAL 1 DAY
GROUP BY entity ORDER BY kg DESC NULLS LAST LIMIT 5"""
_ALERTS: Final = """
SELECT starts_at, severity, rule, company, meter, state FROM alerts_final
WHERE run = 'live' ORDER BY revision DESC, starts_at DESC LIMIT 6"""
_COUNTS: Final = """
SELECT (SELECT count() FROM intervals_final WHERE run = 'live'), (SELECT count() FROM dead_letters_final WHERE run = 'live'),
       (SELECT count() FROM alerts_final WHERE run = 'live' AND state = 'raised')"""


@dataclass(slots=True)
class View:
    """What the screen knows: from the feed, the log and the store."""

    zone: str
    total: int
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
        self.intensity = [(at, g) for at, g in reversed(client.query(_INTENSITY).result_rows)]
        self.emitters = [(name, kg) for name, kg in client.query(_EMITTERS).result_rows]
        self.alerts = list(client.query(_ALERTS).result_rows)
        intervals, letters, alerts = client.query(_COUNTS).result_rows[0]
        self.counts = (intervals, letters, alerts)

    def render(self) -> RenderableType:
        """The whole screen."""
        body = Columns([self._intensity(), self._emitters()], equal=True, expand=True)
        return Group(self._head(), body, self._alerts())

    def _head(self) -> RenderableType:
        intervals, letters, alerts = self.counts
        at = f"{self.intensity[-1][0]:%Y-%m-%d %H:%M}" if self.intensity else "no window closed yet"
        line = Text.assemble(
            (f"{self.rate:,.0f}", "bold"), " records/s   lag ", (f"{self.lag:,}", "bold"), "   intervals ", (f"{intervals:,}", "bold"),
            "   dead letters ", (f"{letters:,}", "bold"), "   open alerts ", (f"{alerts:,}", "bold"), f"   ledger at {at} UTC",
        )  # fmt: skip
        bar = ProgressBar(total=max(1, self.total), completed=self.sent)
        return Panel(Group(line, bar), title=f"zonepulse · {self.zone} · {self.stage}", title_align="left")

    def _intensity(self) -> RenderableType:
        known = [g for _, g in self.intensity if g is not None]
        if not known:
            return Panel(Align.center("no electricity yet", vertical="middle"), title="carbon intensity", height=9)
        low, high = min(known), max(known)
        spark = "".join(_spark(g, low, high) for _, g in self.intensity)
        now = self.intensity[-1][1]
        text = "unknown" if now is None else f"{now:,.1f} g CO2e/kWh"
        lines = Group(
            Text(text, style="bold"),
            Text(spark, overflow="crop", no_wrap=True),
            Text(f"last day: {low:,.0f} to {high:,.0f}", "dim"),
        )
        return Panel(lines, title="carbon intensity of the zone", height=9)

    def _emitters(self) -> RenderableType:
        table = Table.grid(expand=True)
        table.add_column()
        table.add_column(justify="right")
        for name, kg in self.emitters:
            table.add_row(name, "not known" if kg is None else f"{kg:,.1f} kg")
        return Panel(table, title="top emitters, last day (kg CO2e)", height=9)

    def _alerts(self) -> RenderableType:
        table = Table(expand=True, box=None, header_style="dim")
        for column in ("since (UTC)", "severity", "rule", "company", "meter", "state"):
            table.add_column(column)
        for at, severity, rule, company, meter, state in self.alerts:
            mark = Text(severity, style=_SEVERITY.get(severity, ""))
            table.add_row(f"{at:%m-%d %H:%M}", mark, rule, company or "zone", meter, state)
        return Panel(table, title="newest alerts", height=9)


def _spark(value: float | None, low: float, high: float) -> str:
    if value is None:
        return "·"
    return _BLOCKS[1 + int((value - low) / (high - low or 1) * (len(_BLOCKS) - 2))]


def summary_tables(summary: dict[str, Any]) -> RenderableType:
    """The summary as a person reads it."""
    totals = Table(title="Ledger by company", title_justify="left")
    totals.add_column("company")
    for column in ("electricity use, kWh", "gas, Nm3", "kg CO2e"):
        totals.add_column(column, justify="right")
    for row in summary["companies"]:
        totals.add_row(row["company"], *(_number(row[name]) for name in ("electricity_kwh", "gas_nm3", "co2e_kg")))
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
