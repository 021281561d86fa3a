import numpy as np
import pytest
from fetches import channels

from zonepulse.processors.decoding.channel_hash import tables_of
from zonepulse.processors.decoding.json_readings import CELL, LAYOUT, MOST_PIECES, Columns, parse_records

CHANNELS = channels()
PLAIN = '{"meter": "M1", "register": "1.8.0", "ts": 1790000000000, "value": 12.5}'


def parsed(text: str | bytes) -> list[tuple[float, ...]] | None:
    """(channel, ts, value, unit, seq, quality) of each reading that the kernel took; None: refused."""
    raw = text.encode() if isinstance(text, str) else text
    columns = Columns(*(np.zeros(9, np.float64 if name == "value" else np.int64) for name in Columns._fields))
    place, refused = np.array([[0], [len(raw)], [0]]), np.zeros((2, 1), np.int64)
    cells, layout = np.empty(1, CELL).view(np.recarray), np.zeros(MOST_PIECES, LAYOUT).view(np.recarray)
    rows, dropped = parse_records(
        np.frombuffer(raw, np.uint8), place[0], place[1], 0, 1, place[2], tables_of(CHANNELS), columns, refused, cells, layout
    )
    return None if dropped else [tuple(column[i].item() for column in columns[:6]) for i in range(rows)]


def test_a_plain_reading_is_taken_with_absent_members_as_defaults() -> None:
    assert parsed(PLAIN) == [(CHANNELS.index["M1", "1.8.0"], 1790000000000, 12.5, -1, -1, 0)]


def test_members_may_come_in_any_order_with_blanks() -> None:
    text = ' {\t"quality" :"corrected","seq":4294967295 , "unit":"kWh","value":-0.5,'
    text += '"ts":"2026-09-21T14:13:20+00:00",\n"register":"2.8.0","meter":"M1"} '
    assert parsed(text) == [(CHANNELS.index["M1", "2.8.0"], 1790000000000, -0.5, CHANNELS.units["kWh"], 4294967295, 2)]


def test_an_array_gives_its_readings_and_an_empty_one_none() -> None:
    assert len(parsed(f"[{PLAIN} ,{PLAIN}]") or []) == 2
    assert parsed("[ ]") == []


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[", "[1]", f"[{PLAIN},]", f"[{PLAIN}", f"{PLAIN}{PLAIN}", f"{PLAIN}x", f"[[{PLAIN}]]", PLAIN[:-1], PLAIN[:-1] + ",}",
        PLAIN.replace("M1", "M\\u0031"), PLAIN.replace("M1", "水表"), PLAIN.replace("M1", "M\t1"), PLAIN.replace("12.5", "1e2"),
        PLAIN.replace("12.5", "012.5"), PLAIN.replace("12.5", "12."), PLAIN.replace("12.5", ".5"), PLAIN.replace("12.5", "null"),
        PLAIN.replace("12.5", "9007199254740992"), PLAIN.replace("12.5", '12.5, "site": 1'), PLAIN.replace("12.5", '12.5, "value": 12.5'),
        PLAIN.replace("12.5", '12.5, "seq": 4294967296'), PLAIN.replace("12.5", '12.5, "seq": -1'), PLAIN.replace(', "value": 12.5', ""),
        PLAIN.replace("12.5", '12.5, "quality": "guessed"'), PLAIN.replace('"meter"', '"\0\0\0meter"'),
        PLAIN.replace("1790000000000", "1.5"),
        PLAIN.replace("1790000000000", '"2026-02-30T00:00:00Z"'), PLAIN.replace("1790000000000", '"2026-02-03T00:00:00"'),
    ],
)  # fmt: skip
def test_what_is_odd_is_left_to_the_slow_decoder(text: str) -> None:
    assert parsed(text) is None


def test_the_integer_minus_zero_is_zero_and_the_decimal_is_not() -> None:
    found = [parsed(PLAIN.replace("12.5", number)) for number in ("-0", "-0.0")]
    assert [str(rows[0][2]) for rows in found if rows] == ["0.0", "-0.0"]
