"""Final rows: of each key the highest revision, sorted by key."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from zonepulse.processors.final_rows import final_rows
from zonepulse.schemas.tables.results import DEAD_LETTERS, INTENSITY, Table

START = 1_772_582_400_000


def intensities(*rows: tuple[str, int, int, int | None]) -> pa.Table:
    """(node, window, revision, energy) as rows of table `intensity`."""
    plain = {"zone": "z", "basis": "location", "length_s": 900, "co2e_mg": None, "g_per_kwh": None, "estimated_share": 0.0}
    plain |= {"covered_ms": 0, "expected_ms": 0}
    table = [plain | {"node": n, "start": START + w * 900_000, "revision": r, "energy_micro": e} for n, w, r, e in rows]
    return pa.Table.from_pylist(table, INTENSITY.arrow_schema)


def told(table: pa.Table) -> list[tuple[str, int, int, int | None]]:
    """The inverse of `intensities`."""
    rows = table.to_pylist()
    return [(r["node"], (r["start"].timestamp() * 1000 - START) // 900_000, r["revision"], r["energy_micro"]) for r in rows]


def test_the_highest_revision_of_each_key_remains_in_order_of_key() -> None:
    rows = intensities(("b", 0, 3, 1), ("a", 1, 9, None), ("a", 0, 5, 7), ("a", 0, 4, 8), ("b", 0, 2, 5))
    assert told(final_rows(rows, INTENSITY)) == [("a", 0, 5, 7), ("a", 1, 9, None), ("b", 0, 3, 1)]


def test_no_rows_stay_no_rows() -> None:
    assert final_rows(intensities(), INTENSITY).num_rows == 0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.integers(1, 9), st.none() | st.integers(0, 9)), max_size=12))
def test_it_is_what_a_dictionary_would_keep(rows: list[tuple[str, int, int, int | None]]) -> None:
    unique = {(n, w, r): (n, w, r, e) for n, w, r, e in rows}
    kept = {(n, w): row for (n, w, _), row in sorted(unique.items())}
    assert told(final_rows(intensities(*unique.values()), INTENSITY)) == [kept[key] for key in sorted(kept)]


def test_a_table_without_revisions_keeps_the_last_row_of_a_key() -> None:
    table: Table = DEAD_LETTERS
    plain = {"zone": "z", "topic": "t", "partition": 0, "item": 0, "key": b"", "value": b"", "received_at": START}
    rows = [plain | {"offset": offset, "reason": reason} for offset, reason in ((1, "late"), (0, "late"), (1, "future"))]
    found = final_rows(pa.Table.from_pylist(rows, table.arrow_schema), table).to_pylist()
    assert [(row["offset"], row["reason"]) for row in found] == [(0, "late"), (1, "future")]
