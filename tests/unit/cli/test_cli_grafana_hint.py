import re
import subprocess
from pathlib import Path

import pytest

from zonepulse.streams.cli.shared.grafana_hint import grafana_exports
from zonepulse.streams.embedded.stack import ClickHouseAccess

README = Path(__file__).parents[3] / "grafana" / "README.md"


def test_the_lines_set_what_the_dashboards_readme_says(tmp_path: Path) -> None:
    text = "\n".join(grafana_exports(ClickHouseAccess("127.0.0.1", 4711, "dashboard", "secret"), tmp_path / "users.json"))
    assert set(re.findall(r"ZONEPULSE_CLICKHOUSE_\w+", text)) == set(
        re.findall(r"ZONEPULSE_CLICKHOUSE_\w+", README.read_text("utf-8"))
    )
    assert "secret" not in text


@pytest.mark.integration
def test_a_shell_takes_the_lines_and_finds_the_password(tmp_path: Path) -> None:
    users = tmp_path / "a folder" / "users.json"
    users.parent.mkdir()
    users.write_text('[{"name": "zonepulse", "password": "no"}, {"name": "dashboard", "password": "it\'s $ecret"}]')
    lines = grafana_exports(ClickHouseAccess("127.0.0.1", 4711, "dashboard", ""), users)
    script = "\n".join([*lines, 'echo "$ZONEPULSE_CLICKHOUSE_HOST:$ZONEPULSE_CLICKHOUSE_PORT $ZONEPULSE_CLICKHOUSE_PASSWORD"'])
    told = subprocess.run(["sh", "-eu", "-c", script], capture_output=True, text=True, check=True).stdout
    assert told == "127.0.0.1:4711 it's $ecret\n"
