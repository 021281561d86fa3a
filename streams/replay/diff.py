"""Two runs over a stretch, compared row by row in the store: no row leaves it that is equal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from zonepulse.schemas.tables.results import FINAL_TABLES, TABLES, Table
from zonepulse.streams.replay.causes import NOTHING_ELSE, Inputs, names, sides, with_bits
from zonepulse.streams.replay.runs import digest_column, where

MOST_DAYS: Final = 1_000
_SAY: Final = frozenset({"revision"})
_SUMS: Final = ("value_micro", "energy_micro", "co2e_mg")


@dataclass(frozen=True, slots=True)
class Side:
    """What is compared: a run's rows of a zone with `from_ms` <= time < `to_ms`."""

    zone: str
    from_ms: int
    to_ms: int
    topic: str


@dataclass(slots=True)
class TableDiff:
    """One table. `changed`: rows of both with other values; `revised`: equal values, said last in another tick."""

    name: str
    rows: tuple[int, int]
    only_a: int = 0
    only_b: int = 0
    changed: int = 0
    revised: int = 0
    causes: list[dict[str, Any]] = field(default_factory=list)
    """By causes (causes.NAMES): rows that differ, and B less A of what the table counts."""
    days: list[dict[str, Any]] = field(default_factory=list)
    """The same by company (or entity, meter), UTC day and causes."""
    first: list[dict[str, Any]] = field(default_factory=list)
    """The first rows that differ: the key, their causes, and the values of A and B where they are not equal."""

    @property
    def differences(self) -> int:
        """Rows that are not the same in both."""
        return self.only_a + self.only_b + self.changed + self.revised


def diff(client: Client, a: str, b: str, side: Side, examples: int = 5, made: Inputs = NOTHING_ELSE) -> list[TableDiff]:
    """Every table of results; `made`: in what the two were made differently. Raises clickhouse_connect's errors."""
    parameters = {"a": a, "b": b, "zone": side.zone, "from_ms": side.from_ms, "to_ms": side.to_ms} | made.parameters
    rows = {name: _rows(TABLES[name], side.topic) for name in FINAL_TABLES}
    return [_table(client, TABLES[name], rows, made, parameters, side, examples) for name in FINAL_TABLES]


def _rows(table: Table, topic: str) -> str:
    """Keys of both runs, each with what either says: `na`, `nb` rows, `ha`, `hb` digests, `va`, `vb` of the values alone."""
    key = ", ".join(f"`{k}`" for k in table.key)
    sums = "".join(
        f", sumIf(ifNull(`{c.name}`, 0), run = {{b:String}}) - sumIf(ifNull(`{c.name}`, 0), run = {{a:String}}) AS `d_{c.name}`"
        for c in table.stored
        if c.name in _SUMS
    )
    return (
        f"SELECT {key}, countIf(run = {{a:String}}) AS na, countIf(run = {{b:String}}) AS nb,"
        f" sumIf({digest_column(table)}, run = {{a:String}}) AS ha, sumIf({digest_column(table)}, run = {{b:String}}) AS hb,"
        f" sumIf({digest_column(table, _SAY)}, run = {{a:String}}) AS va, sumIf({digest_column(table, _SAY)}, run = {{b:String}}) AS vb"
        f"{sums}{sides(table)} FROM {table.name}_final WHERE run IN ({{a:String}}, {{b:String}}) AND {where(table, topic)} GROUP BY {key}"
    )


def _table(
    client: Client, table: Table, rows: Mapping[str, str], made: Inputs, parameters: dict[str, Any], side: Side, examples: int
) -> TableDiff:
    counts = client.query(
        f"SELECT sum(na), sum(nb), countIf(nb = 0), countIf(na = 0), countIf(na > 0 AND nb > 0 AND va != vb),"
        f" countIf(na > 0 AND nb > 0 AND va = vb AND ha != hb) FROM ({rows[table.name]})",
        parameters=parameters,
    ).result_rows[0]
    in_a, in_b, only_a, only_b, changed, revised = map(int, counts)
    found = TableDiff(table.name, (in_a, in_b), only_a, only_b, changed, revised)
    if found.differences:
        told = with_bits(table, rows, made.possible)
        days = _days(client, table, told, parameters)
        found.causes, found.days = _by_cause(days), days[:MOST_DAYS]
        found.first = _examples(client, table, rows[table.name], told, side, parameters, examples)
    return found


def _who(table: Table) -> str:
    return next(k for k in ("company", "entity", "meter", "node", "fingerprint", "topic", "zone") if k in table.key)


def _days(client: Client, table: Table, told: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    columns = "".join(f", sum(`d_{c.name}`) AS `{c.name}`" for c in table.stored if c.name in _SUMS)
    day = f"toDate(`{table.time}`, 'UTC')" if table.time in table.key else "toDate(0)"
    found = client.query(
        f"SELECT toString({day}) AS day, toString(`{_who(table)}`) AS who, bits AS causes, count() AS rows{columns} FROM ({told})"
        " GROUP BY day, who, causes ORDER BY day, who, causes",
        parameters=parameters,
    )
    out = [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]
    return [row | {"causes": names(row["causes"])} for row in out]


def _by_cause(days: list[dict[str, Any]]) -> list[dict[str, Any]]:
    out: dict[tuple[str, ...], dict[str, Any]] = {}
    for day in days:
        into = out.setdefault(tuple(day["causes"]), {"causes": day["causes"]})
        for name in day.keys() - {"day", "who", "causes"}:
            into[name] = into.get(name, 0) + day[name]
    return list(out.values())


def _examples(
    client: Client, table: Table, rows: str, told: str, side: Side, parameters: dict[str, Any], examples: int
) -> list[dict[str, Any]]:
    key = ", ".join(f"`{k}`" for k in table.key)
    columns = [c.name for c in table.stored if c.name not in table.key]
    order = f"`{table.time}`, {key}" if table.time in table.key else key
    texts = ", ".join(f"toString(`{k}`)" for k in table.key)
    chosen = client.query(
        f"SELECT {texts}, bits FROM ({told}) ORDER BY {order} LIMIT {examples}", parameters=parameters
    ).result_rows
    told_of = {tuple(row[:-1]): names(row[-1]) for row in chosen}
    found = client.query(
        f"SELECT {texts}, groupArray((run, [{_texts(columns)}])) FROM {table.name}_final"
        f" WHERE run IN ({{a:String}}, {{b:String}}) AND {where(table, side.topic)} AND ({key}) IN"
        f" (SELECT {key} FROM ({rows}) WHERE ha != hb OR na != nb ORDER BY {order} LIMIT {examples}) GROUP BY {key} ORDER BY {order}",
        parameters=parameters,
    )
    out = []
    for row in found.result_rows:
        said = dict(row[-1])
        mine, other = said.get(parameters["a"]), said.get(parameters["b"])
        differing = {
            name: {"a": mine and mine[i], "b": other and other[i]}
            for i, name in enumerate(columns)
            if mine is None or other is None or mine[i] != other[i]
        }
        out.append({"key": dict(zip(table.key, row[:-1], strict=True)), "causes": told_of[tuple(row[:-1])], "differs": differing})
    return out


def _texts(columns: list[str]) -> str:
    return ", ".join(f"ifNull(toString(`{name}`), 'null')" for name in columns)
