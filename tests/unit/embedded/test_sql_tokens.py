import time

import pytest

from zonepulse.streams.embedded.clickhouse.errors import ClickHouseError
from zonepulse.streams.embedded.clickhouse.insert import parse_insert
from zonepulse.streams.embedded.clickhouse.sql_tokens import format_named, tokens


def words(sql: str) -> list[str]:
    return [token.text for token in tokens(sql)]


def test_words_strings_names_and_comments_are_told_apart() -> None:
    assert words("SELECT 'a -- b', `c/*d*/` /* e */ FROM \"f'g\" -- h\n, i # j") == [
        *("SELECT", "'a -- b'", ",", "`c/*d*/`", "FROM", "\"f'g\"", ",", "i")
    ]  # fmt: skip
    assert words(r"'it\'s' x") == [r"'it\'s'", "x"]
    assert words("$tag$ FORMAT 'x $tag$ y") == ["$tag$ FORMAT 'x $tag$", "y"]
    assert [token.name for token in tokens(r"a `b\`c` 'd'")] == ["a", "b`c", ""]


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("SELECT 1 FORMAT JSON", "JSON"),
        ("SELECT 1 FORMAT JSON;;", "JSON"),
        ("SELECT 1 format Native SETTINGS a = 1, b = 'x'", "Native"),
        ("SELECT ' FORMAT JSON'", None),
        ("SELECT 1 -- FORMAT JSON", None),
        ("SELECT format AS x", None),
        ("SELECT * FROM (SELECT 1 FORMAT) AS x", None),
        ("", None),
    ],
)
def test_the_format_is_the_one_at_the_end(sql: str, name: str | None) -> None:
    assert format_named(list(tokens(sql))) == name


@pytest.mark.parametrize(
    ("sql", "head", "settings", "form", "data"),
    [
        (b"INSERT INTO t FORMAT TSV\n1\n", b"INSERT INTO t", "", "TSV", b"1\n"),
        (
            b'insert into table `a b`."c" (x, `y)z`) format Native \r\n\x00\xff',
            b'insert into table `a b`."c" (x, `y)z`)',
            "",
            "Native",
            b"\x00\xff",
        ),
        (
            b"INSERT INTO d.t (n) SETTINGS a='FORMAT', b=1 FORMAT JSONEachRow {}",
            b"INSERT INTO d.t (n)",
            "SETTINGS a='FORMAT', b=1",
            "JSONEachRow",
            b"{}",
        ),
    ],
)
def test_an_insert_is_parted_from_its_data(sql: bytes, head: bytes, settings: str, form: str, data: bytes) -> None:
    parsed = parse_insert(sql)
    assert parsed is not None
    assert (parsed.head.encode(), parsed.settings, parsed.format, sql[parsed.data_start :]) == (head, settings, form, data)


@pytest.mark.parametrize(
    "sql",
    [b"INSERT INTO t VALUES (1)", b"INSERT INTO t SELECT 1 FORMAT JSON", b"INSERT INTO FUNCTION file('x') FORMAT TSV\n1", b"SELECT 1",
     b"INSERT INTO t (a", b"INSERT", b"INSERT INTO t FORMAT", b"", b"\xff", b"INSERT INTO t SETTINGS a = (SELECT 1) FORMAT TSV\n"],
)  # fmt: skip
def test_what_is_no_insert_with_data_is_the_engines(sql: bytes) -> None:
    assert parse_insert(sql) is None


HOSTILE = {
    "blanks behind FORMAT": lambda n: "SELECT ' FORMAT a" + " " * n + "x'",
    "formats in a comment": lambda n: "/*" + " FORMAT a SETTINGS b" * (n // 20) + "'*/",
    "formats": lambda n: "x" + " FORMAT a SETTINGS b" * (n // 20) + " (",
    "escaped quotes": lambda n: r"\'" * (n // 2),
    "quotes": lambda n: "'\\''" * (n // 4) + "'",
    "backticks": lambda n: "`\\`" * (n // 3),
    "brackets": lambda n: "(" * n,
    "dollars": lambda n: "$a$b" * (n // 4),
    "comments": lambda n: "/*" * (n // 2),
    "dashes": lambda n: "--" * (n // 2),
    "blanks of an insert": lambda n: "INSERT INTO t" + " " * (n // 2) + "SETTINGS " + " " * (n // 2) + "!",
    "settings of an insert": lambda n: "INSERT INTO t SETTINGS " + "a=1, " * (n // 5),
    "columns of an insert": lambda n: "INSERT INTO t (" + "a, " * (n // 3),
    "versions": lambda n: "Code: 1. DB::Exception: " + "(version " * (n // 9),
    "nested codes": lambda n: "Code: 1. DB::Exception: " * (n // 24),
    "names in brackets": lambda n: "Code: 1. x" + "(A)  " * (n // 5),
}


@pytest.mark.large
@pytest.mark.parametrize("kind", list(HOSTILE))
def test_time_grows_with_the_text_and_no_faster(kind: str) -> None:
    def seconds(n: int) -> float:
        text = HOSTILE[kind](n)
        best = 1e9
        for _ in range(5):
            started = time.thread_time()
            format_named(list(tokens(text)))
            parse_insert(text.encode())
            str(ClickHouseError.from_engine(RuntimeError(text)))
            best = min(best, time.thread_time() - started)
        return best

    ratios = []
    for _ in range(3):
        ratios.append((seconds(64_000) + 2e-4) / (seconds(32_000) + 2e-4))
        if ratios[-1] < 3:
            return
    raise AssertionError(f"doubling the text took {ratios} times as long")
