"""Records of the registry topic become rows once a version is whole, whatever way they come."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from zones import EXAMPLE, zone

from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.wire import to_entities
from zonepulse.schemas.tables.ddl import REGISTRY_COMPANIES, REGISTRY_METERS
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.clickhouse.registry_rows import RegistryRows, registry_rows
from zonepulse.streams.clickhouse.stored_rows import Poison


def spans(records: Sequence[tuple[str | bytes | None, bytes | None]], first: int = 0) -> RecordSpans:
    parts = [part for key, value in records for part in (key.encode() if isinstance(key, str) else key or b"", value or b"")]
    ends = np.cumsum([len(part) for part in parts]).reshape(-1, 2)
    starts = ends - np.array([len(part) for part in parts]).reshape(-1, 2)
    is_null = np.array([value is None for _, value in records])
    has_key = np.array([key is not None for key, _ in records])
    offset = np.arange(first, first + len(records))
    return RecordSpans(
        "zp.registry",
        0,
        np.frombuffer(b"".join(parts), np.uint8),
        np.where(has_key, starts[:, 0], -1),
        np.where(has_key, ends[:, 0], -1),
        np.where(is_null, -1, starts[:, 1]),
        np.where(is_null, -1, ends[:, 1]),
        offset,
        np.zeros(len(records), np.int64),
        first + len(records),
    )


ZONE = "taicang"


def example(version: int = 1) -> Registry:
    return replace(parse_zone(EXAMPLE), version=version)


def rows(registry: Registry) -> dict[str, list[dict[str, object]]]:
    return {name: table.to_pylist() for name, table in registry_rows(registry)}


def added(
    collected: RegistryRows, records: Sequence[tuple[str | bytes, bytes | None]], first: int = 0
) -> list[tuple[str, pa.Table]]:
    """Tables and rows, without any poison."""
    return [(table, piece.rows) for table, piece in collected.add(spans(records, first))]  # type: ignore[misc]


def test_a_version_cut_into_any_batches_gives_its_rows_once_with_its_last_record() -> None:
    records = to_entities(example())
    for cut in range(1, len(records)):
        collected = RegistryRows(ZONE)
        assert not added(collected, records[:cut])
        found = added(collected, records[cut:], cut)
        assert found == [(name, rows) for name, rows in registry_rows(example()) if rows.num_rows]
        assert not added(collected, records[:1], len(records))


def test_a_half_written_version_gives_no_rows_and_does_not_spoil_the_next() -> None:
    batch = [*to_entities(example(1))[:-1], *to_entities(example(2))]
    assert {number for _, table in added(RegistryRows(ZONE), batch) for number in table["version"].to_pylist()} == {2}


def test_a_tombstone_takes_its_record_out_of_the_version() -> None:
    *records, last = to_entities(example())
    gone = [*records, (records[0][0], None), last]
    assert not added(RegistryRows(ZONE), gone)


def absurd() -> list[tuple[str, bytes]]:
    """A version whose company has more employees than a column holds."""
    registry = example(1)
    first, *others = registry.companies
    return to_entities(replace(registry, companies=(replace(first, employees=1 << 70), *others)))


@pytest.mark.parametrize(
    "records",
    [
        [(None, b"{}")],
        [("no-key", b"{}")],
        [("junk", b"junk")],
        [(b"\xff\xfe/zone/x", b"{}")],
        [("7/zone/x", b"no JSON")],
        [("7/zone/x", b'{"at": [0], "facts": [{}]}')],
        [("7/zone/x", b'{"at": [0], "facts": [{}], "entities": 1, "version": 7, "sha256": ""}')],
        [("7/meter/x", b"[" * 100_000)],
        [("7/meter/x", b"\xff")],
        [("9" * 5_000 + "/meter/x", b'{"at": [0], "facts": [{}]}')],
        [(f"{1 << 62}/meter/x", b'{"at": [0], "facts": [{}]}')],
        [("-1/meter/x", b'{"at": [0], "facts": [{}]}')],
        absurd(),
        to_entities(replace(example(1), zone=replace(example(1).zone, id="elsewhere"))),
        [(key.replace("1/", "5/", 1), value) for key, value in to_entities(example(1))],
    ],
)
def test_a_record_that_is_no_registry_is_put_aside_and_the_next_version_becomes_rows(
    records: list[tuple[str | bytes | None, bytes | None]],
) -> None:
    good = to_entities(example(2))
    found = list(RegistryRows(ZONE).add(spans([*records, *good])))
    poison = [one for one in found if isinstance(one, Poison)]
    assert [one.at for one in poison] == [len(records) - 1]
    assert len(poison[0].why) < 400
    tables = [one for one in found if not isinstance(one, Poison)]
    assert {number for _, piece in tables for number in piece.rows["version"].to_pylist()} == {2}


def test_a_stray_entity_behind_a_whole_version_does_not_spoil_it() -> None:
    stray = ("1/extra/forged", b'{"at": [0], "facts": [1]}')
    found = added(RegistryRows(ZONE), [*to_entities(example(1)), stray])
    assert {number for _, table in found for number in table["version"].to_pylist()} == {1}


def test_a_company_has_its_names_in_every_language_and_falls_back_to_english_and_its_id() -> None:
    (steelworks,) = rows(example())["registry_companies"]
    assert steelworks == {
        "zone": "taicang",
        "version": 1,
        "company": "steelworks",
        "name_en": "Steelworks Ltd",
        "name_de": "Steelworks Ltd",
        "name_zh": "钢铁公司",
        "sector": "C3130",
        "employees": 420,
    }
    assert {row["name_zh"] for row in rows(zone())["registry_companies"]} == {"a", "b"}


def test_every_register_of_every_validity_is_a_row_and_open_ends_are_null() -> None:
    found = rows(example())["registry_meters"]
    assert [(row["meter"], row["register"], row["company"], row["name_zh"]) for row in found] == [
        ("TC-0001-E1", "1.8.0", "steelworks", "钢铁公司"),
        ("TC-0001-E1", "3.8.0", "steelworks", "钢铁公司"),
        ("TC-0900-E1", "1.8.0", "", ""),
        ("TC-0900-E1", "2.8.0", "", ""),
    ]
    assert {row["valid_to"] for row in found} == {None}
    assert {str(row["valid_from"]) for row in found} == {"2017-12-31 16:00:00+00:00"}


def test_a_meter_that_was_always_there_begins_in_1970() -> None:
    (row,) = rows(zone(("    valid_from: 2024-01-01\n", "")))["registry_meters"]
    assert str(row["valid_from"]) == "1970-01-01 00:00:00+00:00"


def test_the_rows_have_the_columns_of_their_tables() -> None:
    tables = dict(registry_rows(example()))
    for storage in (REGISTRY_COMPANIES, REGISTRY_METERS):
        table = tables[storage.name]
        assert table.column_names == [c.name for c in storage.columns]
        assert not any(pa.types.is_dictionary(kind) for kind in table.schema.types)
