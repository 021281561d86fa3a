"""What became of one case, and how expected and got are compared: numbers to 1e-6, times as instants, null only equals null."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

TOLERANCE = 1e-6
LOCAL = timezone(timedelta(hours=8))
"""Times without an offset are UTC+8."""
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
FORBIDDEN = ("wrong_answers", "must_not_be", "naive_wrong")
"""Beginnings of the keys in `expected` that name values which must not come out."""


LIVE = "live core"
NOT_YET = "not live yet: function only"
REPLAY = "replay only"
RUNS = (LIVE, NOT_YET, REPLAY)
"""What a case judges: what workers run; a function that no worker calls, until its detector comes; what only a replay can do, which
has a year of history."""


@dataclass(frozen=True)
class Verdict:
    """`problems` are lines for the reader; none = passed. `runs` says whether workers do what the case judges."""

    id: str
    title: str
    problems: tuple[str, ...] = ()
    runs: str = LIVE


def instant(text: str) -> datetime:
    """An ISO 8601 time as UTC."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=LOCAL)).astimezone(UTC)


def problems(expected: Mapping[str, object], got: Mapping[str, object], answers: Sequence[str]) -> tuple[str, ...]:
    """Why `got` is not what the case expects. `answers` name the keys of `got` that forbidden values must differ from."""
    found: list[str] = []
    for key, value in expected.items():
        if key.startswith(FORBIDDEN):
            found += [f"got {show(bad)} for {name}: forbidden by {key}" for name, bad in _forbidden(value, got, answers)]
        elif key not in got:
            found.append(f"expected.{key}: this runner does not know the key here; it knows {', '.join(sorted(got))}")
        else:
            found += [
                f"{path}\n    expected {show(e)}\n    got      {show(g)}" for path, e, g in _differences(value, got[key], key)
            ]
    return tuple(found)


def show(value: object) -> str:
    """A value as JSON writes it."""
    return "nothing" if value is ABSENT else json.dumps(value, ensure_ascii=False, default=str)


class _Absent:
    """Stands for a key that is not there."""


ABSENT = _Absent()


def _differences(expected: object, got: object, path: str) -> Iterator[tuple[str, object, object]]:
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        by_key = {_comparable(k): v for k, v in got.items()}
        for key, value in expected.items():
            yield from _differences(value, by_key.get(_comparable(key), ABSENT), f"{path}.{key}")
    elif isinstance(expected, list) and isinstance(got, (list, tuple)) and len(expected) == len(got):
        if any(True for e, g in zip(expected, got, strict=True) for _ in _differences(e, g, path)):
            yield path, expected, list(got)
    elif not _equal(expected, got):
        yield path, expected, got


def _equal(expected: object, got: object) -> bool:
    if isinstance(expected, bool) or isinstance(got, bool):
        return expected is got
    if isinstance(expected, (int, float)) and isinstance(got, (int, float)):
        return abs(expected - got) <= TOLERANCE
    return _comparable(expected) == _comparable(got)


def _comparable(value: object) -> object:
    return instant(value) if isinstance(value, str) and TIME.match(value) else value


def _forbidden(value: object, got: Mapping[str, object], answers: Sequence[str]) -> Iterator[tuple[str, object]]:
    """The answers that equal a forbidden value: a scalar, a list of them, or the keys of an object that says why."""
    values = list(value) if isinstance(value, (Mapping, list)) else [value]
    for name in answers:
        answer = got.get(name)
        for single in answer if isinstance(answer, (list, tuple)) else [answer]:
            if any(_equal(_number(v), single) for v in values):
                yield name, single


def _number(value: object) -> object:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
