"""Forward-only ClickHouse migrations: `NNNN_what.sql`, applied in order, each once, never edited afterwards."""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from clickhouse_connect.driver.client import Client

_FILE: Final = re.compile(r"(\d{4})_(\w+)\.sql")
_PIECE: Final = re.compile(
    r"'(?:[^'\\]|\\.|'')*'|`[^`]*`|\"[^\"]*\"|--[^\n]*|/\*.*?\*/|(?P<end>;)|[^'`\"/;-]+|.",
    re.DOTALL,
)
_TABLE: Final = (
    "CREATE DATABASE IF NOT EXISTS zonepulse",
    "CREATE TABLE IF NOT EXISTS zonepulse.schema_migrations (number UInt32, name String, checksum String,"
    " applied_at DateTime64(3, 'UTC') DEFAULT now64(3)) ENGINE = MergeTree ORDER BY number",
)


class MigrationError(RuntimeError):
    """The files and the database do not fit, or a statement failed; the message names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(folder: Traversable) -> list[Migration]:
    """The migrations of a folder in order. Raises MigrationError for a gap, a duplicate or a misnamed file."""
    found = []
    for file in folder.iterdir():
        if file.name.endswith(".sql"):
            name = _FILE.fullmatch(file.name)
            if name is None:
                raise MigrationError(f"migration {file.name}: name it NNNN_what.sql")
            found.append(Migration(int(name[1]), file.name, file.read_text("utf-8")))
    found.sort(key=lambda migration: (migration.number, migration.name))
    for position, migration in enumerate(found, 1):
        if migration.number != position:
            raise MigrationError(f"migration {migration.name}: its number must be {position:04d}: no gaps, no duplicates")
    return found


def deployed_migrations() -> list[Migration]:
    """Those of this installation, deploy/clickhouse."""
    return read_migrations(files("zonepulse.deploy").joinpath("clickhouse"))


def statements(sql: str) -> list[str]:
    """The statements of a file, without comments; `;` ends one, except in strings, quoted names and comments."""
    out, current = [], ""
    for piece in _PIECE.finditer(sql):
        if piece["end"]:
            out.append(current.strip())
            current = ""
        elif not piece[0].startswith(("--", "/*")):
            current += piece[0]
    return [statement for statement in (*out, current.strip()) if statement]


def apply(
    client: Client, migrations: Iterable[Migration] | None = None, form: Callable[[str], str] = lambda statement: statement
) -> list[str]:
    """Applies what is missing and returns its names; records each in `zonepulse.schema_migrations` when all of it is done. `form`: what
    a statement is made into first (cluster_ddl.on_cluster).

    A file that failed halfway runs again from its start: write `IF NOT EXISTS`. Raises MigrationError, also if an applied
    file was changed or is missing.
    """
    wanted = deployed_migrations() if migrations is None else list(migrations)
    for statement in _TABLE:
        client.command(form(statement))
    rows = client.query("SELECT number, name, checksum FROM zonepulse.schema_migrations ORDER BY number").result_rows
    applied = {int(number): (str(name), str(checksum)) for number, name, checksum in rows}
    _compare(wanted, applied)
    missing = [migration for migration in wanted if migration.number not in applied]
    for migration in missing:
        _apply_one(client, migration, form)
    return [migration.name for migration in missing]


def _compare(wanted: list[Migration], applied: dict[int, tuple[str, str]]) -> None:
    known = {migration.number: migration for migration in wanted}
    for number, (name, checksum) in applied.items():
        if number not in known:
            raise MigrationError(f"migration {name} is applied and its file is missing: use the version of zonepulse that has it")
        if known[number].checksum != checksum:
            remedy = "restore it and put the change into a new file"
            raise MigrationError(f"migration {known[number].name} was changed after it was applied: {remedy}")
    if applied and set(applied) != set(range(1, len(applied) + 1)):
        raise MigrationError(f"the applied migrations {sorted(applied)} have a gap: restore zonepulse.schema_migrations")


def every_statement(form: Callable[[str], str] = lambda statement: statement) -> list[str]:
    """All that a new store is told, in order."""
    return [form(text) for text in (*_TABLE, *(s for migration in deployed_migrations() for s in statements(migration.sql)))]


def _apply_one(client: Client, migration: Migration, form: Callable[[str], str]) -> None:
    for position, statement in enumerate(statements(migration.sql), 1):
        try:
            client.command(form(statement))
        except Exception as error:
            raise MigrationError(f"migration {migration.name}, statement {position}: {error}") from error
    client.insert(
        "zonepulse.schema_migrations",
        [[migration.number, migration.name, migration.checksum]],
        column_names=["number", "name", "checksum"],
        settings={"async_insert": 0},
    )
