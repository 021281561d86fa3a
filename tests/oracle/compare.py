"""Where two tables differ, in words."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

import pyarrow as pa

from zonepulse.schemas.tables.results import TABLES

MAX_NAMED: Final = 20
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
Rows: TypeAlias = "Iterable[Mapping[str, Any]] | pa.Table"


def differences(expected: Rows, got: Rows, table: str, ignore: Collection[str] = ()) -> list[str]:
    """What `got` lacks, has too much or says otherwise, at most 20 lines; empty where the tables are equal.

    Rows are compared by the table's key; columns in `ignore` are left out (of the key too). Times may be epoch milliseconds, aware
    datetimes or Arrow timestamps. Columns of `got` that the contract does not know, like `run`, do not count.
    """
    columns = [c.name for c in TABLES[table].stored if c.name not in ignore]
    key = tuple(name for name in TABLES[table].key if name not in ignore)
    found = _repeated("expected", expected := _plain(expected), key, table) + _repeated("got", got := _plain(got), key, table)
    wanted, present = ({tuple(row[k] for k in key): row for row in rows} for rows in (expected, got))
    lines = [f"{table} {_named(key, k)}: missing" for k in wanted if k not in present]
    lines += [f"{table} {_named(key, k)}: not expected" for k in present if k not in wanted]
    for k in wanted:
        for name in columns if k in present else ():
            if wanted[k][name] != present[k][name]:
                lines.append(f"{table} {_named(key, k)}: {name} is {present[k][name]!r}, expected {wanted[k][name]!r}")
    lines = found + lines
    if len(lines) > MAX_NAMED:
        lines = [*lines[:MAX_NAMED], f"{table}: and {len(lines) - MAX_NAMED} more differences"]
    return lines


def _repeated(side: str, rows: list[dict[str, Any]], key: tuple[str, ...], table: str) -> list[str]:
    seen: set[tuple[Any, ...]] = set()
    lines = []
    for row in rows:
        k = tuple(row[name] for name in key)
        if k in seen:
            lines.append(f"{table} {_named(key, k)}: more than once in {side}")
        seen.add(k)
    return lines


def _named(key: tuple[str, ...], values: tuple[Any, ...]) -> str:
    return " ".join(f"{name}={value}" for name, value in zip(key, values, strict=True) if name != "zone")


def _plain(rows: Rows) -> list[dict[str, Any]]:
    """Rows as dicts with times as epoch milliseconds and Arrow streams as their rows."""
    listed = rows.to_pylist() if isinstance(rows, pa.Table) else rows
    return [{name: _plain_value(value) for name, value in row.items()} for row in listed]


def _plain_value(value: Any) -> Any:
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=_EPOCH.tzinfo)
        return (aware - _EPOCH) // timedelta(milliseconds=1)
    if isinstance(value, bytes) and value[:4] == b"\xff\xff\xff\xff":
        try:
            table = pa.ipc.open_stream(value).read_all()
            table.validate(full=True)
            return tuple(sorted((k, repr(v)) for row in table.to_pylist() for k, v in row.items()))
        except Exception:  # a letter keeps what nobody could read: its bytes are compared
            return value
    return value
