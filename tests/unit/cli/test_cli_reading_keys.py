"""The key of a reading, and so its partition."""

from pathlib import Path

from zones import small

from zonepulse.schemas.messages.reading_columns import ColumnChunk
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.files.reading_files import read_files
from zonepulse.streams.kafka.reading_keys import ReadingKeys

EDGE_MS = 1_790_787_600_000  # 2026-10-01T01:00:00+08:00
MOVED = parse_zone(
    small(
        ("    valid_from: 2024-01-01\n", "    valid_from: 2024-01-01\n    valid_to: 2026-10-01T01:00:00+08:00\n"),
        more="""  - id: M
    site: s2
    role: main
    registers:
      "1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000000}
      "1.7.0": {carrier: electricity, direction: import, kind: power, unit: kW, max_power: 1000000, counts: false}
    valid_from: 2026-10-01T01:00:00+08:00
""",
    )
)


def test_a_register_reading_on_an_edge_belongs_to_what_was_before_and_a_power_sample_to_what_comes() -> None:
    keys = ReadingKeys(MOVED)
    assert [keys.key("M", "1.8.0", EDGE_MS + d) for d in (-1, 0, 1)] == ["s", "s", "s2"]
    assert [keys.key("M", "1.7.0", EDGE_MS + d) for d in (0, 1)] == ["s2", "s2"]
    assert keys.key("M", "1.8.0", 0) == "s"
    assert keys.key("nobody", "1.8.0", EDGE_MS) is None


def test_a_record_has_the_key_of_its_first_readable_reading() -> None:
    keys = ReadingKeys(MOVED)
    after = b'{"meter": "M", "register": "1.8.0", "ts": %d, "value": 1}' % (EDGE_MS + 1)
    assert keys.of_record(after) == ("s2", 1)
    assert keys.of_record(b"[7, " + after + b"]") == ("s2", 2)
    assert keys.of_record(b"[]") == (None, 0)
    assert keys.of_record(b"{bad") == (None, 1)


def test_rows_get_the_same_keys_as_records(tmp_path: Path) -> None:
    rows = [("M", EDGE_MS), ("M", EDGE_MS + 1), ("nobody", 1), ("", 1)]
    text = "meter,register,ts,value,ingest_ms\n" + "".join(f"{m},1.8.0,{ts},1,{EDGE_MS}\n" for m, ts in rows)
    (tmp_path / "r.csv").write_text(text)
    (chunk,) = read_files([tmp_path / "r.csv"], "zp.readings")
    assert isinstance(chunk, ColumnChunk)
    names, codes = ReadingKeys(MOVED).of_columns(chunk)
    assert [names[i] for i in codes] == ["s", "s2", None, None]
