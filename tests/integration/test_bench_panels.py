"""`zonepulse bench panels` in the small: every panel answers on a generated zone, inside and outside of the promoted run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.soak, pytest.mark.timeout(1800)]
DASHBOARDS = Path(__file__).parents[2] / "grafana/dashboards"


def test_every_panel_of_every_dashboard_is_measured_in_each_range() -> None:
    options = ["--channels", "12", "--days", "9", "--rounds", "1", "--ranges", "1d,30d", "--dashboards", str(DASHBOARDS), "--json"]
    argv = [sys.executable, "-m", "zonepulse.streams.cli.main", "bench", "panels", *options]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    boards = {path.stem: json.loads(path.read_text("utf-8")) for path in DASHBOARDS.glob("*.json")}
    expected = {
        (name, panel["title"], span)
        for name, board in boards.items()
        for panel in board["panels"]
        for span in ("1d", "30d")
        if not name.endswith(("-de", "-zh")) and name != "pipeline"
    }
    assert {(line["dashboard"], line["panel"], line["range"]) for line in found} == expected
    assert all(0 < line["p50_ms"] <= line["p95_ms"] for line in found)
    assert sum(line["rows"] > 0 for line in found) > len(found) / 2, "few channels have no neighbours, and few days no alert"
