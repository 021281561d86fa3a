"""What becomes of a screen's SQL on its way to ClickHouse: Grafana's variables, then the macros of the ClickHouse plugin.

The board expands them here; the tests of the dashboards do the same, so both ask what Grafana asks.

The macros follow the backend of grafana-clickhouse-datasource 4.14 (pkg/macros/macros.go).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

Value = str | Sequence[str]
_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}")
_MACRO = re.compile(r"\$__(\w+)")


@dataclass(frozen=True)
class TimeRange:
    """The picker's range in epoch milliseconds and the automatic interval in seconds."""

    from_ms: int
    to_ms: int
    interval_s: int = 900


def with_variables(sql: str, values: Mapping[str, Value]) -> str:
    """`${name}` and `${name:singlequote}` replaced. Raises KeyError for an undefined variable, ValueError for another format.

    A backslash stays one character of the literal, so that no value ends its quotes.
    """

    def replaced(match: re.Match[str]) -> str:
        name, form = match.groups()
        value = values[name]
        if form == "singlequote":
            return ",".join(
                "'" + v.replace("\\", "\\\\").replace("'", "\\'") + "'" for v in ([value] if isinstance(value, str) else value)
            )
        if form is not None or not isinstance(value, str):
            raise ValueError(f"{match.group()} with {value!r}: only :singlequote, and a lone value without it, are known here")
        return value

    return _VARIABLE.sub(replaced, sql)


def with_macros(sql: str, time: TimeRange) -> str:
    """Every `$__macro` expanded as the plugin's backend does. Raises ValueError for one that it does not know, or a second argument."""
    out, at = [], 0
    for match in _MACRO.finditer(sql):
        if match.start() < at:
            raise ValueError(f"a macro inside a macro's argument: {sql[match.start() - 40 : match.end()]}")
        name, end = match.group(1), match.end()
        argument = ""
        if name in _WITH_ARGUMENT:
            argument, end = _parenthesised(sql, end)
            if len(_arguments(argument)) != 1 or not argument.strip():
                raise ValueError(f"$__{name} takes one argument, not {argument!r}")
        out += [sql[at : match.start()], _expanded(name, argument, time)]
        at = end
    return "".join([*out, sql[at:]])


_WITH_ARGUMENT = frozenset({"timeFilter", "timeFilter_ms", "dateFilter", "timeInterval", "timeInterval_ms"})


def _parenthesised(sql: str, at: int) -> tuple[str, int]:
    """The argument in parentheses that begins at `at`, and where it ends."""
    if sql[at : at + 1] != "(":
        raise ValueError(f"a macro without its argument: {sql[at - 20 : at + 20]}")
    depth = 0
    for i in range(at, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[i], 0)
        if depth == 0:
            return sql[at + 1 : i], i + 1
    raise ValueError(f"a parenthesis is never closed: {sql[at : at + 40]}")


def _arguments(text: str) -> list[str]:
    """Split at the commas that stand in no parentheses."""
    parts, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _date(ms: int) -> str:
    return f"toDate('{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d}')"


def _expanded(name: str, column: str, time: TimeRange) -> str:
    seconds = [f"toDateTime({ms // 1000})" for ms in (time.from_ms, time.to_ms)]
    millis = [f"fromUnixTimestamp64Milli({ms})" for ms in (time.from_ms, time.to_ms)]
    interval = max(time.interval_s, 1)
    known = {
        "fromTime": seconds[0],
        "toTime": seconds[1],
        "fromTime_ms": millis[0],
        "toTime_ms": millis[1],
        "timeFilter": f"{column} >= {seconds[0]} AND {column} <= {seconds[1]}",
        "timeFilter_ms": f"{column} >= {millis[0]} AND {column} <= {millis[1]}",
        "dateFilter": f"{column} >= {_date(time.from_ms)} AND {column} <= {_date(time.to_ms)}",
        "timeInterval": f"toStartOfInterval(toDateTime({column}), INTERVAL {interval} second)",
        "timeInterval_ms": f"toStartOfInterval(toDateTime64({column}, 3), INTERVAL {interval * 1000} millisecond)",
        "interval_s": str(interval),
    }
    if name not in known:
        raise ValueError(f"the plugin has no macro $__{name}; there are {', '.join(sorted(known))}")
    return known[name]
