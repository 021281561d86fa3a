"""What the options of a table most likely are, from its header and cells: suggestions for a person to check, never taken silently."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Final

from zonepulse.schemas.values import BadValue, is_usual_id
from zonepulse.streams.files.cells import EARLIEST_MS, Times, number
from zonepulse.streams.files.form import FileForm
from zonepulse.streams.files.sheets import TEXT_FILES, WORKBOOKS, kind_of, rows_of
from zonepulse.streams.files.tables import header_of
from zonepulse.streams.survey.profile import DAY_MS, duration
from zonepulse.streams.survey.time_zones import zone_of_local_times

SCANNED_ROWS: Final = 200_000
_WORDS: Final = {
    "ts": (
        "ts", "timestamp", "datetime", "time", "date", "start", "end", "zeit", "zeitstempel", "zeitpunkt", "datum", "uhrzeit", "date_time",
        "interval_start", "interval_end", "读数时间", "时间", "日期", "fecha", "horodate", "data",
    ),
    "value": (
        "value", "wert", "reading", "zählerstand", "stand", "messwert", "verbrauch", "consumption", "usage", "energy", "energie", "kwh",
        "读数", "数值", "用电量", "valeur", "valor", "lectura",
    ),
    "meter": ("meter", "meter_id", "meterid", "zähler", "zählernummer", "zählpunkt", "mpan", "device", "sensor", "表号", "compteur"),
    "register": ("register", "obis", "kennzahl", "kanal", "channel", "寄存器"),
    "unit": ("unit", "einheit", "units", "单位", "unité", "unidad"),
    "quality": ("quality",),
}  # fmt: skip
UNIT_WORDS: Final = ("MWh", "kWh", "Wh", "kvarh", "kW", "MW", "GJ", "Nm3", "m3")


@dataclass(slots=True)
class Guess:
    """`form` reads the file where the guesses hold; `options` say the same on a command line; `checks` are sentences for people."""

    form: FileForm
    options: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    header: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)

    def say(self, option: str, value: str, **change: Any) -> None:
        """One more option."""
        self.options += [option, value] if value else [option]
        self.form = replace(self.form, **change)


def guessed(path: Path, form: FileForm) -> Guess:
    """What `form` leaves open, filled in. A file that is no table is as it says itself. Raises BadFile."""
    guess = Guess(form)
    if kind_of(path) not in (*TEXT_FILES, *WORKBOOKS):
        return guess
    with closing(rows_of(path, form)) as rows:
        guess.header = header_of(path, rows)
        table = [cells for _, cells in islice(rows, SCANNED_ROWS)]
    guess.examples = [next((str(c) for c in _column(table, i) if c not in (None, "")), "") for i in range(len(guess.header))]
    _columns(guess, path, table)
    place = _place(guess, "ts")
    if place is not None:
        _times(guess, list(_column(table, place)))
    values = [_place(guess, "value")] if not guess.form.is_wide else list(range(len(guess.header)))
    _decimal(guess, [cell for i in values if i is not None and i != place for cell in _column(table, i)])
    return guess


def _column(table: Sequence[Sequence[Any]], place: int) -> Iterator[Any]:
    return (cells[place] if place < len(cells) else None for cells in table)


def _place(guess: Guess, key: str) -> int | None:
    name = guess.form.columns.get(key)
    lower = [n.lower() for n in guess.header]
    if name is not None:
        return guess.header.index(name) if name in guess.header else None
    return lower.index(key) if key in lower else None


def _columns(guess: Guess, path: Path, table: Sequence[Sequence[Any]]) -> None:
    """--columns, --wide, --meter, --register, --unit."""
    found = dict(guess.form.columns)
    for key in ("ts", "meter", "register", "unit"):
        if key not in guess.form.constants and _place(guess, key) is None and (name := _named(guess.header, key, found)):
            found[key] = name
    numeric = [name for i, name in enumerate(guess.header) if name and name not in found.values() and _is_numeric(table, i)]
    if not guess.form.is_wide and _place(guess, "value") is None:
        others = [n for n in guess.header if n and n not in found.values()]
        has_meter = "meter" in found or _place(guess, "meter") is not None
        name = _named(guess.header, "value", found) or next((n for n in numeric if unit_in(n)), "")
        if not name and len(numeric) > 1 and len(numeric) == len(others) and not has_meter and "meter" not in guess.form.constants:
            guess.say("--wide", "", is_wide=True)
        elif name or numeric:
            found["value"] = name or numeric[0]
    new = {key: name for key, name in found.items() if key not in guess.form.columns}
    if new:
        guess.say("--columns", ",".join(f"{k}={n}" for k, n in found.items()), columns=found)
    constants = dict(guess.form.constants)
    if not guess.form.is_wide and _place(guess, "meter") is None and "meter" not in constants:
        stem = re.sub(r"[^\w.-]+", "-", path.name.split(".")[0]).strip("-.") or "M1"
        constants["meter"] = stem if is_usual_id(stem) else "M1"
        guess.say("--meter", constants["meter"], constants=dict(constants))
    if _place(guess, "register") is None and "register" not in constants and not (guess.form.is_wide and _have_registers(guess)):
        constants["register"] = "1.8.0"
        guess.say("--register", "1.8.0", constants=dict(constants))
        guess.checks.append("register 1.8.0 is energy taken in; 2.8.0 is energy fed back")
    unit = unit_in(found.get("value", "") if not guess.form.is_wide else " ".join(numeric))
    if unit and _place(guess, "unit") is None and "unit" not in constants:
        guess.say("--unit", unit, constants={**constants, "unit": unit})


def _have_registers(guess: Guess) -> bool:
    names = [n for n in guess.header if n and n.lower() not in ("ts", guess.form.columns.get("ts", "").lower())]
    return all(" " in name for name in names)


def _named(header: Sequence[str], key: str, taken: dict[str, str]) -> str:
    """The column whose name says that it is `key`; '' where none does."""
    free = [name for name in header if name and name not in taken.values()]
    for word in _WORDS[key]:
        for name in free:
            if re.sub(r"\W*[\[(].*", "", name).strip().lower().replace(" ", "_") == word:
                return name
    return next((n for n in free if any(w in re.split(r"[\W_]+", n.lower()) for w in _WORDS[key])), "")


def unit_in(name: str) -> str:
    """The unit that a column's name mentions."""
    parts = [part.lower().replace("³", "3") for part in re.split(r"[^\w³]+|_", name)]
    return next((unit for unit in UNIT_WORDS if unit.lower() in parts), "")


def _is_numeric(table: Sequence[Sequence[Any]], place: int) -> bool:
    cells = [cell for cell in islice(_column(table, place), 200) if cell not in (None, "")]
    return bool(cells) and all(_reads(lambda c: number(c, "."), c) or _reads(lambda c: number(c, ","), c) for c in cells)


def _reads(read: Callable[[Any], object], cell: Any) -> bool:
    try:
        read(cell)
    except BadValue:
        return False
    return True


def _times(guess: Guess, cells: Sequence[Any]) -> None:
    """--time-format, --timezone, --fold, --stamp."""
    known = [cell for cell in cells if cell not in (None, "")]
    if not guess.form.time_format and known:
        _time_format(guess, known)
    reader = replace(guess.form, timezone="UTC", shift_ms=0)
    times, ms = Times(reader), list[int]()
    for cell in known:
        try:
            ms.append(times.ms(cell))
        except BadValue:
            return  # the reader says where and why
    if ms:
        _midnight(guess, ms)
        _stamp(guess, ms)
    if not ms or guess.form.timezone or _reads(Times(replace(reader, timezone="")).ms, known[0]):
        return
    name = zone_of_local_times(ms)
    guess.say("--timezone", name or "UTC", timezone=name or "UTC")
    told = f"its clock changes as that of {name}" if name else "no change to or from summer time shows which it is"
    guess.checks.append(f"the times have no offset; {told}: check --timezone")
    if name and not guess.form.fold:
        guess.say("--fold", "order", fold="order")


def _midnight(guess: Guess, ms: Sequence[int]) -> None:
    """--midnight ends-day: where the times fall, they fall from the day's last period to 00:00 of the same day."""
    falls = [(a, b) for a, b in pairwise(ms) if b < a]
    if falls and not guess.form.midnight_ends_day and all(b % DAY_MS == 0 and a - b == DAY_MS - _step(ms) for a, b in falls):
        guess.say("--midnight", "ends-day", midnight_ends_day=True)
        guess.checks.append("each day's row of 00:00 stands at its end: it is read as the end of the day that it names")


def _stamp(guess: Guess, ms: Sequence[int]) -> None:
    """--stamp start: where the column says so; where only its first and last times hint at it, it is a check."""
    step = _step(ms)
    if guess.form.shift_ms or not step or step % 1000:
        return
    if "start" in re.split(r"[\W_]+", guess.form.columns.get("ts", "").lower()):
        guess.say("--stamp", "start")
        guess.say("--period", duration(step), shift_ms=step)
        guess.checks.append(
            "the column's name says that the times are the periods' starts; of a counter's values they are no periods"
        )
    elif ms[0] % DAY_MS == 0 and ms[-1] % DAY_MS == DAY_MS - step:
        guess.checks.append(
            "the first day begins at 00:00 and the last ends before it: the times may be the periods' starts; then add --stamp start"
            f" --period {duration(step)}"
        )


def _step(ms: Sequence[int]) -> int:
    """The most frequent step up; 0 where there is none."""
    return next((step for step, _ in Counter(b - a for a, b in pairwise(ms) if b > a).most_common(1)), 0)


def _time_format(guess: Guess, cells: Sequence[Any]) -> None:
    texts = [str(cell) for cell in cells]
    if all(re.fullmatch(r"\d{1,30}", text) and int(text) < EARLIEST_MS for text in texts[:1000]):
        guess.say("--time-format", "epoch_s", time_format="epoch_s")
        guess.checks.append("the times are whole numbers below 10^11: seconds since 1970, not milliseconds (epoch_seconds)")
        return
    parts = [re.fullmatch(r"(\d{1,2})([/-])(\d{1,2})[/-](\d{4})(.*)", text) for text in texts]
    if not all(parts):
        return
    first = max(int(p[1]) for p in parts if p)
    second = max(int(p[3]) for p in parts if p)
    head = parts[0]
    assert head is not None
    is_american = second > 12 >= first
    if first <= 12 >= second:
        guess.checks.append("no day above 12: day/month and month/day look alike; check --time-format")
    sep, clock = head[2], head[5]
    date = f"%m{sep}%d{sep}%Y" if is_american else f"%d{sep}%m{sep}%Y"
    half = "%p" if re.search(r"[AaPp][Mm]\s*$", clock) else ""
    seconds = ":%S" if clock.count(":") == 2 else ""
    lead = re.match(r"\D*", clock)
    time = f"{lead[0] if lead else ''}{'%I' if half else '%H'}:%M{seconds}{' ' if ' ' in clock.strip() else ''}{half}"
    form = date + (time if ":" in clock else "")
    guess.say("--time-format", form, time_format=form)


def _decimal(guess: Guess, cells: Sequence[Any]) -> None:
    texts = [cell for cell in cells if isinstance(cell, str) and "," in cell]
    if guess.form.decimal or not texts:
        return
    if any(re.fullmatch(r"[+-]?[\d.]*,(?:\d{1,2}|\d{4,})", text) for text in texts):
        guess.say("--decimal", ",", decimal=",")
    elif any(re.fullmatch(r"[+-]?\d{1,3}(?:,\d{3})+\.\d+", text) for text in texts):
        guess.say("--decimal", ".", decimal=".")
    else:
        guess.say("--decimal", ",", decimal=",")
        guess.checks.append(f"{texts[0]!r} may be a decimal comma or thousands: check --decimal")
