"""Files of inputs: every usual table is read, every mistake has its line and remedy, corrections keep what they correct."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from zonepulse.schemas.checks.inputs import accepted, current_of
from zonepulse.schemas.problems import RegistryError
from zonepulse.schemas.registry.inputs import Input
from zonepulse.schemas.registry.wire import decode_one, encode_one
from zonepulse.streams.files.blocks import BadFile
from zonepulse.streams.files.form import FileForm
from zonepulse.streams.indicators.input_file import MOST_ROWS, Defaults, GivenTable, read_given

HEAD = "quantity,company,period,value,by,given,evidence,reason"
PLAIN, NONE = FileForm(), Defaults()
WASTE = "solid_waste_t,mill,2026-03,41.5,L. Chen,2026-04-02,book 7,"


def read(
    path: Path, *lines: str, earlier: tuple[Input, ...] = (), form: FileForm = PLAIN, defaults: Defaults = NONE,
    encoding: str = "utf-8",
) -> GivenTable:  # fmt: skip
    path.write_text("\n".join(lines) + "\n", encoding)
    return read_given(path, form, defaults, ["mill", "bakery"], earlier)


def refused(path: Path, *lines: str, earlier: tuple[Input, ...] = (), defaults: Defaults = NONE) -> str:
    with pytest.raises((RegistryError, BadFile)) as error:
        read(path, *lines, earlier=earlier, defaults=defaults)
    return str(error.value).replace(str(path), path.name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "given.csv"


def test_a_row_is_an_input(file: Path) -> None:
    (one,) = read(file, HEAD, WASTE).new
    assert one == Input(one.id, "solid_waste_t", "mill", "2026-03", Fraction("41.5"), "L. Chen", "2026-04-02", "book 7", "", "")
    assert one.id.startswith("solid_waste_t:mill:2026-03:") and decode_one(encode_one(one), Input) == one


def test_what_all_rows_share_is_said_once(file: Path) -> None:
    table = read(file, "quantity,period,value", "revenue_cny,2026,1e6", defaults=Defaults("mill", "M. Wu", "2026-04-02", "report"))
    assert [(one.company, one.by, one.given, one.evidence, one.value) for one in table.new] == [
        ("mill", "M. Wu", "2026-04-02", "report", 10**6)
    ]


@pytest.mark.parametrize(
    ("encoding", "text", "form"),
    [
        ("utf-8-sig", f"{HEAD}\n{WASTE}", FileForm()),
        ("utf-8", f"{HEAD}\r\n\r\n{WASTE}\r\n".replace(",", ";").replace("41.5", "41,5"), FileForm(decimal=",")),
        ("utf-16", f"{HEAD}\n{WASTE}".replace(",", "\t"), FileForm()),
        ("gb18030", f"{HEAD}\n{WASTE}", FileForm(encoding="gb18030")),
        ("utf-8", f"{HEAD}\n{WASTE}".replace("41.5", '"41.50"').upper().lower().replace("l. chen", "L. Chen"), FileForm()),
    ],
)
def test_the_same_table_in_another_form_is_the_same(file: Path, encoding: str, text: str, form: FileForm) -> None:
    plain = read(file, HEAD, WASTE)
    assert read(file, text, form=form, encoding=encoding) == plain


def test_a_workbook_is_read_and_its_formulas_are_what_they_gave(tmp_path: Path) -> None:
    path = tmp_path / "given.xlsx"
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(HEAD.split(","))
    sheet.append(["employees", "mill", 2026, 40, "L. Chen", "2026-04-02", "payroll", None])
    book.save(path)
    (one,) = read_given(path, FileForm(), Defaults(), ["mill"], ()).new
    assert (one.period, one.value) == ("2026", 40)
    sheet.append(["solid_waste_t", "mill", "2026-03", "=1+2", "L. Chen", "2026-04-02", "book", None])
    book.save(path)
    with pytest.raises(RegistryError, match="value: is empty, or a formula that was never computed; fill it in, and save"):
        read_given(path, FileForm(), Defaults(), ["mill"], ())


def test_every_mistake_is_told_with_line_column_and_remedy(file: Path) -> None:
    said = refused(
        file,
        HEAD,
        "solid_wast_t,mill,2026-03,1,a,2026-04-02,b,",
        "solid_waste_t,mil,2026-13,1,a,2026-04-02,b,",
        "electricity_use_kwh,mill,Mar-26,1,,yesterday,b,",
        'solid_waste_t,bakery,2026-03,"1,234",a,2026-04-02,b,',
        "water_use_m3,bakery,2026-03,-4,a,2026-04-02,=HYPERLINK(1),",
        "water_use_m3,bakery,2026-04,,a,2026-04-02,b,late",
        "water_reused_m3,bakery,2026-03,1,a,2026-04-02,b,",
        "water_reused_m3,bakery,2026-03,1,a,2026-04-02,b,",
    )
    for expected in (
        "given.csv:2: quantity: unknown quantity 'solid_wast_t'; did you mean `solid_waste_t`?",
        "given.csv:3: company: unknown company 'mil'; did you mean `mill`?",
        "given.csv:3: period: '2026-13' is no period",
        "given.csv:4: quantity: 'electricity_use_kwh' is measured by the ledger",
        "given.csv:4: period: 'Mar-26' is no period; write a year 2026, a month 2026-03",
        "given.csv:4: by: is empty; fill it in, or give all rows one with --by",
        "given.csv:4: given: 'yesterday' is no date",
        "given.csv:5: value: '1,234' may be a decimal comma or thousands; say which",
        "given.csv:6: value: -4 is negative",
        "given.csv:6: evidence: '=HYPERLINK(1)' begins as a spreadsheet's formula does",
        "given.csv:7: value: is empty",
        "given.csv:9: quantity: water_reused_m3 of bakery in 2026-03 stands in row 8 already; leave one of them out",
    ):
        assert expected in said, expected


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["quantity,period", "a,b"], "no column value; the first row names the columns: quantity, period, value, company"),
        ([HEAD + ",vlaue", WASTE], "unknown column 'vlaue'; did you mean `value`?"),
        ([HEAD + ",by", WASTE], "two columns are called 'by'"),
        ([HEAD], "holds no row"),
        ([""], "is empty"),
        ([HEAD, WASTE + ",,x"], "row 2: 10 cells, and the header has 8; put a text that has the delimiter"),
    ],
)
def test_a_table_of_another_shape_is_refused(file: Path, lines: list[str], said: str) -> None:
    assert said in refused(file, *lines)


def test_more_rows_than_anybody_gives_are_refused(file: Path) -> None:
    rows = [f"revenue_cny,mill,{1990 + n // 365}-01-01,1,a,2026-04-02,b," for n in range(MOST_ROWS + 1)]
    said = refused(file, HEAD, *rows)
    assert "more than 20000 rows" in said or "only the first 1000 mistakes are told" in said


def test_the_same_file_again_changes_nothing(file: Path) -> None:
    first = read(file, HEAD, WASTE).new
    assert read(file, HEAD, WASTE, earlier=first) == GivenTable((), 1)


def test_another_value_needs_a_reason_and_then_corrects(file: Path) -> None:
    first = read(file, HEAD, WASTE).new
    other = WASTE.replace("41.5", "45.1")
    assert "given.csv:2: reason: is given already as 41.5 by L. Chen on 2026-04-02 (book 7); say in `reason`" in refused(
        file, HEAD, other, earlier=first
    )
    (second,) = read(file, HEAD, other + "page 12 was left out", earlier=first).new
    assert (second.replaces, second.value) == (first[0].id, Fraction("45.1")) and second.id != first[0].id
    (third,) = read(file, HEAD, WASTE + "it was there", earlier=(*first, second)).new
    given, rest = accepted((), [*first, second, third])
    assert [one.id for one in given] == [first[0].id, second.id, third.id] and not rest
    assert list(current_of(given).values()) == [third]


def test_a_reason_without_anything_to_correct_is_refused(file: Path) -> None:
    assert "there is nothing to correct; leave `reason` empty" in refused(file, HEAD, WASTE + "weighed anew")


def test_of_two_corrections_at_the_same_time_the_first_in_the_log_counts(file: Path) -> None:
    (first,) = read(file, HEAD, WASTE).new
    (left,) = read(file, HEAD, WASTE.replace("41.5", "45") + "a", earlier=(first,)).new
    (right,) = read(file, HEAD, WASTE.replace("41.5", "46") + "b", earlier=(first,)).new
    given, refused_ones = accepted((), [first, left, right])
    assert list(current_of(given).values()) == [left]
    assert [(one, f"{left.id!r} counts" in why) for one, why in refused_ones] == [(right, True)]
    (after,) = read(file, HEAD, WASTE.replace("41.5", "47") + "c", earlier=given).new
    assert after.replaces == left.id


def test_what_contradicts_the_file_of_the_zone_does_not_count(file: Path) -> None:
    (one,) = read(file, HEAD, WASTE).new
    own = replace(one, id="w1")
    for published, why in (
        (one, "'w1' counts for solid_waste_t of mill in 2026-03"),
        (replace(one, id="w1", period="2026-04"), "'w1' is another input's id"),
        (replace(one, id="w2", period="2026-04", replaces="w9"), "what it corrects, 'w9', is not there"),
    ):
        assert accepted([own], [published]) == ((own,), [(published, why)])


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"period": "last March"}, "'last March' is no period"),
        ({"quantity": "co2e_location_t"}, "is measured by the ledger"),
        ({"quantity": "luck"}, "unknown quantity 'luck'"),
        ({"value": Fraction(-1)}, "-1 is negative"),
    ],
)
def test_a_record_that_no_file_would_have_given_does_not_count(file: Path, wrong: dict[str, Any], why: str) -> None:
    (one,) = read(file, HEAD, WASTE).new
    given, ((_, said),) = accepted((), [replace(one, **wrong)])
    assert not given and why in said
