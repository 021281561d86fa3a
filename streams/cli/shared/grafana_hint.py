"""What a shell needs before `grafana server` can read a store that runs here; grafana/README.md uses the same names."""

import shlex
from pathlib import Path
from typing import Final

from rich.console import Console

from zonepulse.streams.embedded.stack import ClickHouseAccess

_PASSWORD: Final = "import json, sys; print(next(u['password'] for u in json.load(open(sys.argv[1])) if u['name'] == sys.argv[2]))"


def grafana_exports(reader: ClickHouseAccess, users_file: Path) -> tuple[str, ...]:
    """Lines to paste into a shell. The password stays in its file until then."""
    password = shlex.join(["python3", "-c", _PASSWORD, str(users_file), reader.user])
    return (
        f"export ZONEPULSE_CLICKHOUSE_HOST={reader.host} ZONEPULSE_CLICKHOUSE_PORT={reader.port} "
        f"ZONEPULSE_CLICKHOUSE_USER={reader.user}",
        f'export ZONEPULSE_CLICKHOUSE_PASSWORD="$({password})"',
    )


def print_lines(console: Console, *lines: str) -> None:
    """Lines to be copied: not wrapped, not coloured."""
    for line in lines:
        console.print(line, soft_wrap=True, markup=False, highlight=False)
