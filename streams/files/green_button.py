"""Green Button data (NAESB REQ.21, ESPI 1.1/3.3 as Atom XML): the energy of each interval, stamped at its end, under its usage point.

Meter = title or last part of the usage point's link; register = 1.8.0 of what flows forward, 2.8.0 of what flows back. Values are Wh or
m3 with their power of ten.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from zonepulse.streams.files.blocks import BLOCK_ROWS, BadFile, Block

UNITS: Final = {"72": "Wh", "42": "m3", "73": "varh"}
"""uom of ESPI (IEC 61968-9 unit symbols) that has a unit here."""
_REGISTERS: Final = {"1": "1.8.0", "19": "2.8.0"}
_ESTIMATED: Final = {"8", "9", "11"}
"""Qualities of a reading: estimated, forecasted, derived by filling."""
_SCHEMA: Final = {
    "meter": pa.string(), "register": pa.string(), "ts": pa.timestamp("ms", "UTC"), "value": pa.float64(), "unit": pa.string(),
    "quality": pa.string(),
}  # fmt: skip


@dataclass(slots=True)
class _Type:
    """A ReadingType: what its readings' values are."""

    unit: str = "Wh"
    power: int = 0
    register: str = "1.8.0"


@dataclass(slots=True)
class _Feed:
    """What the entries said so far: where they are, and which belong together."""

    meter: str = "green-button"
    types: dict[str, _Type] = field(default_factory=dict)
    related: dict[str, list[str]] = field(default_factory=dict)
    """Links of each MeterReading."""
    blocks: list[tuple[str, str, list[tuple[int, str, bool]]]] = field(default_factory=list)
    """Of each IntervalBlock: its meter, the link to its MeterReading, and (end in ms, value, estimated)."""


def green_button_blocks(path: Path) -> Iterator[Block]:
    """The intervals in file order. Raises BadFile where the file is no Green Button data or has a unit that is not known here."""
    feed = _read(path)
    rows: list[tuple[Any, ...]] = []
    for meter, reading, intervals in feed.blocks:
        kind = _type_of(feed, reading)
        for end_ms, value, is_estimated in intervals:
            amount = float(Decimal(value).scaleb(kind.power))
            rows.append((meter, kind.register, end_ms, amount, kind.unit, "estimated" if is_estimated else "measured"))
    for start in range(0, len(rows), BLOCK_ROWS):
        columns = zip(*rows[start : start + BLOCK_ROWS], strict=True)
        yield Block(path, "typed", pa.table({n: pa.array(list(c), t) for (n, t), c in zip(_SCHEMA.items(), columns, strict=True)}))


def _type_of(feed: _Feed, reading: str) -> _Type:
    linked = [feed.types[link] for link in feed.related.get(reading, ()) if link in feed.types]
    return linked[0] if linked else next(iter(feed.types.values()), _Type())


def _read(path: Path) -> _Feed:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, iterparse

    feed, is_espi = _Feed(), False
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            for _, element in iterparse(stream, forbid_dtd=True):
                if _tag(element) == "entry":
                    is_espi |= _entry(path, feed, element)
                    element.clear()
    except ParseError as bad:
        raise BadFile(f"{path}: no whole XML file ({bad}); fetch it again") from bad
    except DefusedXmlException as bad:
        raise BadFile(f"{path}: XML with entities or a DTD, which no Green Button file has; fetch it from its source") from bad
    if not is_espi:
        raise BadFile(f"{path}: XML, and no Green Button (ESPI) feed: no IntervalBlock in it; convert it to CSV")
    return feed


def _entry(path: Path, feed: _Feed, entry: Any) -> bool:
    """Takes an Atom entry in; whether it held intervals."""
    links = {
        rel: [e.get("href", "") for e in entry if _tag(e) == "link" and e.get("rel") == rel] for rel in ("self", "up", "related")
    }
    mine = links["self"][0] if links["self"] else ""
    content = next((list(e) for e in entry if _tag(e) == "content"), [])
    has_blocks = False
    for what in content:
        if _tag(what) == "UsagePoint":
            title = next((e.text or "" for e in entry if _tag(e) == "title"), "").strip()
            feed.meter = title or mine.rstrip("/").rpartition("/")[2] or feed.meter
        elif _tag(what) == "MeterReading":
            feed.related[mine] = links["related"]
        elif _tag(what) == "ReadingType":
            feed.types[mine] = _reading_type(path, what)
        elif _tag(what) == "IntervalBlock":
            up = next((href.rpartition("/IntervalBlock")[0] for href in links["up"]), "")
            feed.blocks.append((feed.meter, up or next(reversed(feed.related), ""), _intervals(path, what)))
            has_blocks = True
    return has_blocks


def _reading_type(path: Path, element: Any) -> _Type:
    said = {_tag(e): (e.text or "").strip() for e in element}
    uom = said.get("uom", "72")
    if uom not in UNITS:
        raise BadFile(f"{path}: ReadingType with uom {uom}; known are {', '.join(f'{n} ({u})' for n, u in UNITS.items())}")
    power = said.get("powerOfTenMultiplier") or "0"
    if not re.fullmatch(r"[+-]?\d{1,2}", power):
        raise BadFile(f"{path}: ReadingType with powerOfTenMultiplier {power!r}; fetch the file again")
    return _Type(UNITS[uom], int(power), _REGISTERS.get(said.get("flowDirection", "1"), "1.8.0"))


def _intervals(path: Path, block: Any) -> list[tuple[int, str, bool]]:
    found = []
    for reading in (e for e in block if _tag(e) == "IntervalReading"):
        said = {_tag(e): (e.text or "").strip() for e in reading.iter()}
        try:
            end_ms = 1000 * (int(said["start"]) + int(said["duration"]))
            found.append((end_ms, str(int(said["value"])), said.get("quality", "") in _ESTIMATED))
        except (KeyError, ValueError) as bad:
            raise BadFile(
                f"{path}: an IntervalReading without whole start, duration and value ({bad}); fetch the file again"
            ) from bad
    return found


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]
