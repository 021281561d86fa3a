"""A store as a zone of many channels leaves it: windows of all tables up to now, their hours and days, and one promoted run.

The rows are made in the engine. Their values are noise of the right size; which rows there are, and in which order, is what counts here.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from clickhouse_connect.driver.client import Client

from zonepulse.schemas.registry.model import ALWAYS, FOREVER, Edge, Network, Registry
from zonepulse.schemas.tables.results import FINAL_TABLES, TABLES
from zonepulse.schemas.units import MS_PER_HOUR
from zonepulse.streams.bench.ledger_load import WINDOW_MS, CompanyZone
from zonepulse.streams.clickhouse.registry_rows import registry_rows

RUN: Final = "restated"
"""The promoted run: all rows of a month."""
DAY_MS: Final = 24 * MS_PER_HOUR
_PROMOTED_DAYS: Final = 30
_NODES: Final = 20
_CHANNELS_A_COMPANY: Final = 4
_AT: Final = "fromUnixTimestamp64Milli(toInt64({from_ms} + n % {windows} * {window_ms}), 'UTC')"
_ENERGY: Final = "toInt64(1000000 + cityHash64(n) % 1000000)"
_MISSING: Final = "cityHash64(n, 1) % 200 = 0"


@dataclass(frozen=True, slots=True)
class Size:
    """Of the generated zone; its last window ends at `until_ms`, an edge of the grid."""

    zone: str
    channels: int
    days: int
    until_ms: int

    @property
    def companies(self) -> int:
        """Each with electricity, gas and generation."""
        return self.channels // _CHANNELS_A_COMPANY

    @property
    def from_ms(self) -> int:
        """Start of the first window."""
        return self.until_ms - self.days * DAY_MS


def registry_of(size: Size) -> Registry:
    """The generated zone: companies with meters, and a line of nodes."""
    made = CompanyZone(size.companies, size.channels).registry()
    nodes = tuple(f"n-{i:02}" for i in range(_NODES))
    edges = tuple(Edge(f"e-{a}", a, b, "", "", ALWAYS, FOREVER) for a, b in pairwise(nodes))
    return replace(made, zone=replace(made.zone, id=size.zone), network=Network(nodes, edges), rules=())


def fill(client: Client, size: Size) -> dict[str, int]:
    """Writes everything; rows by table. The client's database is the store's."""
    for name, rows in registry_rows(registry_of(size)):
        if rows.num_rows:
            client.insert_arrow(name, rows)
    for begin_ms in range(size.from_ms, size.until_ms, _PROMOTED_DAYS * DAY_MS):
        windows = (min(begin_ms + _PROMOTED_DAYS * DAY_MS, size.until_ms) - begin_ms) // WINDOW_MS
        for table, columns, series in _windows(size):
            _insert(client, table, columns, size, begin_ms, windows, series)
    _sum_periods(client, size)
    _happenings(client, size)
    _promote(client, size)
    for name in FINAL_TABLES:
        client.command(f"OPTIMIZE TABLE {name} FINAL")
    return {name: int(client.query(f"SELECT count() FROM {name}").result_rows[0][0]) for name in FINAL_TABLES}


def _insert(client: Client, table: str, columns: str, size: Size, from_ms: int, windows: int, series: int) -> None:
    at = _AT.format(from_ms=from_ms, windows=windows, window_ms=WINDOW_MS)
    names, values = zip(*(part.split("=", 1) for part in columns.split("; ")), strict=True)
    texts = [
        value.format(s=f"intDiv(n, {windows})", at=at, energy=_ENERGY, missing=_MISSING, companies=size.companies)
        for value in values
    ]
    client.command(
        f"INSERT INTO {table} (run, zone, {', '.join(names)}) SELECT 'live', '{size.zone}', {', '.join(texts)}"
        f" FROM (SELECT number AS n FROM numbers({windows * series}))"
        " SETTINGS max_insert_block_size = 1000000, min_insert_block_size_rows = 1000000"
    )


_COVER: Final = "covered_ms=if({missing}, 0, 900000)"
_SUM: Final = (
    "start={at}; length_s=900; energy_micro=if({missing}, NULL, {energy}); estimated_micro=0; "
    + _COVER
    + "; expected_ms=900000; revision=1"
)
_CO2E: Final = "; co2e_mg=if({missing}, NULL, intDiv({energy}, 2))"
_COMPANY: Final = "entity_kind='company'; entity=concat('c-', leftPad(toString({s}), 5, '0')); "


def _windows(size: Size) -> list[tuple[str, str, int]]:
    """(table, columns as name=SQL, series): each series has a row in every window; {s} is its number."""
    meter = "concat('m-', leftPad(toString(intDiv({s}, 4)), 5, '0'), '-', leftPad(toString({s} % 4), 3, '0'))"
    company = "concat('c-', leftPad(toString(intDiv({s}, 4)), 5, '0'))"
    carrier = "carrier=if({s} % 4 = 1, 'natural_gas', 'electricity')"
    intervals = (
        f"meter={meter}; register='r'; start={{at}}; length_s=900; site=''; company={company}; node=''; {carrier};"
        " role=if({s} % 4 = 2, 'generation', 'main'); direction=['import', 'consumption', 'generation', 'import'][{s} % 4 + 1];"
        " value_micro=if({missing}, NULL, {energy}); estimated_micro=if(cityHash64(n, 2) % 50 = 0 AND NOT {missing}, 1000, 0);"
        f" {_COVER}; quality=if({{missing}}, 'missing', 'measured'); method=if({{missing}}, '', 'register'); revision=1"
    )
    emissions = (
        f"company={company}; meter={meter}; register='r'; start={{at}}; length_s=900; scope=if({{s}} % 4 = 1, 1, 2); basis='location';"
        " energy_micro=if({missing}, NULL, {energy}); estimated_micro=0; factor_id='grid-cn-js-loc-2023'; rung='CN-JS'; revision=1"
        + _CO2E
    )
    totals = [
        (f"carrier='{carrier}'; scope={scope}; basis='{basis}'; {_SUM}" + (_CO2E if scope else ""))
        for carrier, scope, basis in (
            ("electricity", 0, ""), ("natural_gas", 0, ""), ("natural_gas", 1, "location"), ("", 1, "location"),
            *(pair for basis in ("location", "market", "nodal") for pair in (("electricity", 2, basis), ("", 2, basis))),
        )
    ]  # fmt: skip
    network = "; carrier='electricity'; scope=0; basis='nodal'; " + _SUM + _CO2E
    found = [("intervals", intervals, size.channels), ("emissions", emissions, size.channels)]
    found += [("totals", _COMPANY + one, size.companies) for one in totals]
    found += [("totals", f"entity_kind='zone'; entity='{size.zone}'; " + one, 1) for one in totals]
    found += [("totals", "entity_kind='load'; entity=concat('c-', leftPad(toString({s}), 5, '0'))" + network, size.companies)]
    for kind, name in (("flow", "e-n"), ("loss", "e-n"), ("imbalance", "n"), ("storage", "s")):
        entity = f"concat('{name}-', leftPad(toString({{s}}), 2, '0'))"
        found.append(("totals", f"entity_kind='{kind}'; entity={entity}" + network, 2 if kind == "storage" else _NODES - 1))
    shown = _SUM.replace("estimated_micro=0; ", "") + _CO2E + "; g_per_kwh=if({missing}, NULL, 500); estimated_share=0"
    found += [("intensity", f"node=''; basis='{basis}'; {shown}", 1) for basis in ("location", "market")]
    found += [("intensity", f"node=concat('n-', leftPad(toString({{s}}), 2, '0')); basis='nodal'; {shown}", _NODES)]
    return found


_SUMMED: Final = (
    "sumOrNull(t.energy_micro) AS energy_micro, sumOrNull(t.co2e_mg) AS co2e_mg, {estimated} AS estimated_micro,"
    " sum(ifNull({valued}, 0)) AS valued_micro, sum(t.covered_ms) AS covered_ms, sum(t.expected_ms) AS expected_ms, 1 AS revision"
)


def _sum_periods(client: Client, size: Size) -> None:
    for table, key in (("totals", "entity_kind, entity, carrier, scope, basis"), ("intensity", "node, basis")):
        estimated = "sum(t.estimated_micro)" if table == "totals" else "toInt64(0)"
        for period, source, begin, length in (
            ("hour", table, "toStartOfHour(start)", "3600"),
            ("day", f"period_{table}", "toStartOfDay(local_start)", "86400"),
        ):
            of_hours = period == "day"
            valued = "t.valued_micro" if of_hours else "if(t.co2e_mg IS NULL, 0, t.energy_micro)"
            summed = _SUMMED.format(estimated="sum(t.estimated_micro)" if of_hours else estimated, valued=valued)
            at, local = ("b - INTERVAL 8 HOUR", "b") if of_hours else ("b", "b + INTERVAL 8 HOUR")
            where = " WHERE t.period = 'hour'" if of_hours else ""
            for begin_ms in range(size.from_ms, size.until_ms, _PROMOTED_DAYS * DAY_MS):
                edges = (f"fromUnixTimestamp64Milli({at_ms})" for at_ms in (begin_ms, begin_ms + _PROMOTED_DAYS * DAY_MS))
                mine = "t.start >= {} AND t.start < {}".format(*edges)
                client.command(
                    f"INSERT INTO period_{table} (run, zone, period, {key}, start, local_start, length_s, energy_micro, co2e_mg,"
                    " estimated_micro, valued_micro, covered_ms, expected_ms, revision)"
                    f" SELECT 'live', '{size.zone}', '{period}', {key}, {at}, {local}, {length}, energy_micro, co2e_mg, estimated_micro,"
                    f" valued_micro, covered_ms, expected_ms, revision FROM (SELECT {key}, toDateTime64({begin}, 3, 'UTC') AS b, {summed}"
                    f" FROM {source} AS t{where}{' AND ' if where else ' WHERE '}{mine} GROUP BY {key}, b)"
                )


def _happenings(client: Client, size: Size) -> None:
    """Alerts, 40 a company and year; refused readings, 100 a channel and year; a minute's live sums of the last day."""
    span_s, until = size.days * 86_400, f"fromUnixTimestamp64Milli({size.until_ms})"
    at = f"{until} - toIntervalSecond(cityHash64(number) % {span_s})"
    company = f"concat('c-', leftPad(toString(number % {size.companies}), 5, '0'))"
    meter = f"concat('m-', leftPad(toString(number % {size.companies}), 5, '0'), '-000')"
    alerts, letters = size.companies * 40 * size.days // 365 + 1, size.channels * 100 * size.days // 365 + 1
    client.command(
        "INSERT INTO alerts (run, zone, fingerprint, starts_at, rule, severity, state, company, meter, ends_at, impact_kg, evidence,"
        f" revision) SELECT 'live', '{size.zone}', hex(cityHash64(number, 3)), {at} AS begun, 'silent_channel',"
        " ['info', 'warning', 'critical'][number % 3 + 1], if(number % 50 = 0, 'raised', 'resolved'),"
        f" {company}, {meter}, if(number % 50 = 0, NULL, begun + INTERVAL 1 HOUR), number % 100, '{{}}', 1 FROM numbers({alerts})"
    )
    client.command(
        "INSERT INTO dead_letters (run, zone, topic, partition, offset, item, reason, key, value, received_at)"
        f" SELECT 'live', '{size.zone}', 'zp.readings', 0, number, 0, ['late', 'malformed', 'unknown_meter'][number % 3 + 1], 'gw',"
        f""" concat('{{"meter": "', {meter}, '"}}'), {at} FROM numbers({letters})"""
    )
    client.command(
        "INSERT INTO live (run, zone, entity_kind, entity, at, power_kw, g_per_kwh, co2e_kg_per_h, reporting, expected)"
        f" SELECT 'live', '{size.zone}', if(number % 2 = 0, 'zone', 'company'), if(number % 2 = 0, '{size.zone}', 'c-00000'),"
        f" {until} - toIntervalMinute(intDiv(number, 2)), 1000, 500, 500, 10, 10 FROM numbers(2880)"
    )


def _promote(client: Client, size: Size) -> None:
    """A month of the middle, or as much as there is."""
    middle_ms = (size.from_ms + size.days // 2 * DAY_MS) // DAY_MS * DAY_MS - 8 * MS_PER_HOUR
    end_ms = min(middle_ms + _PROMOTED_DAYS * DAY_MS, size.until_ms - DAY_MS)
    begin, end = (f"fromUnixTimestamp64Milli({at})" for at in (middle_ms, end_ms))
    for name in ("intervals", "emissions", "totals", "intensity", "period_totals", "period_intensity"):
        client.command(
            f"INSERT INTO {name} SELECT * REPLACE ('{RUN}' AS run) FROM {name} AS t"
            f" WHERE t.run = 'live' AND {TABLES[name].within(begin, end)}"
        )
    client.command(
        "INSERT INTO promotions (zone, run, from_at, to_at, is_active, who, why, at, revision)"
        f" SELECT '{size.zone}', '{RUN}', {begin}, {end}, 1, 'bench', 'bench', now64(3), 1"
    )
