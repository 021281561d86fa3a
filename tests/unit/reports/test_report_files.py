"""Reports: every text in every language, cells for people and machines, options that are refused."""

import csv
import io
import string
from fractions import Fraction
from pathlib import Path

import openpyxl
import pytest
from typer.testing import CliRunner
from zones import SMALL

from zonepulse.schemas.languages import LANGUAGES
from zonepulse.streams.cli.main import app
from zonepulse.streams.reports.page import html, shown
from zonepulse.streams.reports.report import Column, Report, Table
from zonepulse.streams.reports.sheets import csv_text, decimal_text, document, workbook
from zonepulse.streams.reports.words import REPORT_TEXTS, ReportWords

TABLE = Table(
    "energy",
    (Column("carrier"), Column("used", "number", 1), Column("covered_share", "share", 1), Column("began", "moment")),
    [["=1+2", Fraction(1234567, 1000), Fraction(1, 3), 1_763_942_400_000], ["gas", None, None, None]],
)


def test_every_text_is_there_in_every_language_with_the_same_names() -> None:
    for key, texts in REPORT_TEXTS.items():
        assert list(texts) == list(LANGUAGES), key
        names = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in texts.values()]
        assert names[0] == names[1] == names[2], key


@pytest.mark.parametrize(
    ("cell", "column", "language", "said"),
    [
        (Fraction(1234567, 1000), Column("used", "number", 1), "en", "1,234.6"),
        (Fraction(1234567, 1000), Column("used", "number", 1), "de", "1.234,6"),
        (Fraction(1, 30_000), Column("used", "number", 1), "de", "0,00003333"),
        (Fraction(0), Column("used", "number", 1), "en", "0.0"),
        (None, Column("used", "number", 1), "en", "–"),
        (Fraction(1, 3), Column("covered_share", "share", 1), "de", "33,3%"),
        (1_763_942_400_000, Column("began", "moment"), "zh", "2025年11月24日 08:00"),
        ("", Column("remark"), "en", ""),
    ],
)
def test_people_read_a_cell_in_their_way_and_what_is_not_known_is_a_dash(
    cell: object, column: Column, language: str, said: str
) -> None:
    assert shown(cell, column, ReportWords(language, "Asia/Shanghai")) == said


def test_a_csv_has_every_digit_and_no_formula() -> None:
    rows = list(csv.reader(io.StringIO(csv_text(TABLE).removeprefix("\ufeff"))))
    assert rows == [
        ["carrier", "used", "covered_share", "began"],
        ["'=1+2", "1234.567", "0.333333333333333333333333333333", "2025-11-24T00:00:00Z"],
        ["gas", "", "", ""],
    ]
    assert document([TABLE])["energy"][0]["used"] == "1234.567"


def test_a_workbook_has_a_sheet_a_table_and_no_formula() -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook([TABLE, TABLE], ReportWords("de", "UTC"), [("Bericht", "a")])))
    assert len(book.sheetnames) == 2 and len(set(book.sheetnames)) == 2
    cells = [[cell.value for cell in row] for row in book.worksheets[1].iter_rows()]
    assert cells[0][0] == "Energieträger" and cells[1][:2] == ["'=1+2", 1234.567] and cells[2][1] is None
    assert all(cell.data_type != "f" for row in book.worksheets[1].iter_rows() for cell in row)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(2, 3), "0.666666666666666666666666666667"),
        (10**20, "100000000000000000000"),
        (0.1, "0.1"),
        (Fraction(5, 10**6), "0.000005"),
    ],
)
def test_decimals_are_written_out(value: Fraction | float, text: str) -> None:
    assert decimal_text(value) == text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["zone", "--month", "2026"], "--month '2026': is a year; write a month such as 2026-03"),
        (["zone", "--month", "2026-13"], "--month: '2026-13' is no period"),
        (["zone", "--language", "fr"], "--language 'fr': write en, de or zh"),
        (["zone", "--format", "pdfs"], "--format 'pdfs': did you mean `pdf`?"),
        (["company", "c"], "'c' is no company of zone z: there are a, b"),
        (["network"], "zone z has no networks: add one to `efficiency_networks` of zone.yaml"),
    ],
)
def test_what_it_cannot_do_is_told_with_a_remedy(tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "zone.yaml").write_text(SMALL, "utf-8")
    result = CliRunner().invoke(app, ["report", *arguments, "--zone", str(tmp_path / "zone.yaml")])
    assert result.exit_code == 2
    assert said in result.output


def test_a_page_leaves_out_columns_without_anything_and_keeps_short_texts_on_one_line() -> None:
    text = "a remark that is long enough to be wrapped"
    table = Table("energy", (Column("carrier"), Column("used", "number"), Column("tonnes", "number"), Column("remark")),
                  [["gas", 1, None, text], ["heat", 2, None, ""]], note="of note")  # fmt: skip
    empty = Table("alerts", (Column("severity"),), [], note="never said")
    report = Report("t", "n", "2026", "z", "", [table, empty], ["how"])
    page = html(report, ReportWords("en", "UTC"), 0)
    assert page.count("<th ") == 3 and "t CO2e" not in page and "–" not in page
    assert '<td class="s">gas</td><td class="n">1</td><td>a remark' in page
    assert "of note" in page and "never said" not in page and '<p class="empty">none</p>' in page
