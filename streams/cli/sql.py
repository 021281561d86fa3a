"""`zonepulse sql`: questions to the store."""

import shutil
import sys
from typing import Annotated, Any, Final

import typer
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from zonepulse.streams import servers
from zonepulse.streams.cli.shared.spreadsheet import without_formulas
from zonepulse.streams.screen import BadInput, JsonOption, Stop, count, print_json, print_table, show_remark

SHOWN_ROWS: Final = 200
READ_ONLY: Final = 2
"""ClickHouse: nothing is written; settings may be changed."""
_NUMBERS: Final = ("Int", "UInt", "Float", "Decimal")


def sql(
    query: Annotated[str | None, typer.Argument(metavar="[QUERY]", help="A statement; absent or `-`: read from stdin.")] = None,
    form: Annotated[str | None, typer.Option("--format", help="Any ClickHouse format: CSV, Parquet, Vertical ...")] = None,
    exact: Annotated[bool, typer.Option("--exact", help="CSV, TSV: leave cells alone that a spreadsheet would run.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Allow statements that change something.")] = False,
    json: JsonOption = False,
) -> None:
    """Ask the store in SQL; database zonepulse. Read results through the *_final views, such as intervals_final.

    In CSV and TSV a text that begins as a formula (= + - @) gets a ' in front, as spreadsheets want it.
    Tables and columns: `zonepulse sql "SHOW TABLES"`, `zonepulse sql "DESCRIBE intervals"`.
    """
    if form and json:
        raise BadInput("--json and --format exclude each other; for ClickHouse's own JSON use --format JSON")
    text = statement(query)
    with servers.store_client(servers.settings()) as client:
        try:
            run(client, text, {} if write or is_reader(client) else {"readonly": READ_ONLY}, form, json, exact)
        except ClickHouseError as error:
            raise Stop(explained(error)) from error


def is_reader(client: Client) -> bool:
    """Whether the user may only read: such a one needs no setting for it, and may change none."""
    known = client.server_settings.get("readonly")
    return known is not None and bool(known.readonly)


def statement(query: str | None) -> str:
    """The argument, else stdin; without the `;` at its end. Raises BadInput where there is none."""
    if query in (None, "-") and sys.stdin.isatty():
        raise BadInput('no statement; write zonepulse sql "SELECT ..." or pipe one in')
    text = sys.stdin.read() if query is None or query == "-" else query
    text = text.strip().rstrip(";").strip()
    if not text:
        raise BadInput('the statement is empty; write zonepulse sql "SELECT ..."')
    return text


def run(client: Client, text: str, settings: dict[str, Any], form: str | None, json: bool, exact: bool = False) -> None:
    """Prints what the statement answers."""
    if form:
        with client.raw_stream(text, settings=settings, fmt=form) as answer:
            if exact or not form.upper().startswith(("CSV", "TSV", "TABSEPARATED")):
                shutil.copyfileobj(answer, sys.stdout.buffer)
            else:
                for piece in without_formulas(iter(lambda: answer.read(1 << 20), b""), form.upper().startswith("CSV")):
                    sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    found = client.query(text, settings=settings)
    types = [kind.name for kind in found.column_types]
    if json:
        columns = [{"name": name, "type": kind} for name, kind in zip(found.column_names, types, strict=True)]
        rows = [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]
        print_json({"columns": columns, "rows": rows})
        return
    numbers = [name for name, kind in zip(found.column_names, types, strict=True) if _is_number(kind)]
    print_table(found.column_names, found.result_rows[:SHOWN_ROWS], right=numbers)
    if len(found.result_rows) > SHOWN_ROWS:
        show_remark(f"{SHOWN_ROWS} of {count(len(found.result_rows))} rows are shown; --json or --format CSV print them all")


def _is_number(kind: str) -> bool:
    return kind.removeprefix("Nullable(").startswith(_NUMBERS)


def explained(error: ClickHouseError) -> str:
    """ClickHouse's words, and the remedy where it is known."""
    text = servers.first_line(error)
    code = getattr(error, "code", None)
    if code == 164:  # READONLY
        return f"{text}; statements that write need --write"
    if code == 60:  # UNKNOWN_TABLE
        return f'{text}; the tables: zonepulse sql "SHOW TABLES"'
    return text
