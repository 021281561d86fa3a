"""What a spreadsheet would run is only shown; everything else stays as it is, byte for byte, however the table is cut."""

import csv
import io
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from zonepulse.streams.cli.shared.spreadsheet import without_formulas


def csv_of(*pieces: bytes) -> bytes:
    return b"".join(without_formulas(pieces, is_quoting=True))


def test_texts_that_begin_as_formulas_get_a_quote_in_front() -> None:
    assert csv_of(b'"=cmd|x","a=1",-5,"-5","+1","@a",1.5e-7,-1e9,-inf\n') == (
        b'"\'=cmd|x","a=1",-5,"\'-5","\'+1","\'@a",1.5e-7,-1e9,-inf\n'
    )
    assert b"".join(without_formulas([b"=cmd\ta\t-5\t-x\n@b\n"], is_quoting=False)) == b"'=cmd\ta\t-5\t'-x\n'@b\n"


def test_a_table_that_ends_without_a_line_end_loses_nothing() -> None:
    assert csv_of(b'"=a"') == b'"\'=a"'


TEXTS = st.text(st.sampled_from("=+-@\"a,\n\t'1"), max_size=6)


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=5), st.lists(st.integers(0, 80), max_size=5))
def test_no_cell_begins_as_a_formula_and_no_other_cell_changes(rows: list[list[str]], cuts: list[int]) -> None:
    table = io.StringIO()
    csv.writer(table, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    raw = table.getvalue().encode()
    edges = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    pieces = [raw[a:b] for a, b in pairwise(edges)]
    found = list(csv.reader(io.StringIO(csv_of(*pieces).decode(), newline="")))
    assert found == [["'" + cell if cell[:1] in ("=", "+", "-", "@", "\t") and cell else cell for cell in row] for row in rows]
