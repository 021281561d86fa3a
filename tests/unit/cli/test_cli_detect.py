"""`zonepulse detect run` as a person calls it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from zonepulse.streams.cli.main import app


@pytest.mark.large
def test_a_row_of_verdict_for_each_row_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "meter.csv"
    path.write_text("at,kWh\n" + "".join(f"2026-01-05T{h:02}:00:00Z,{h}\n" for h in range(24)))
    found = CliRunner().invoke(app, ["detect", "run", str(path), "--column", "kWh"])
    lines = found.stdout.splitlines()
    assert found.exit_code == 0 and len(lines) == 25
    assert lines[0] == '"time","value","score","threshold","decision","reason","expected_low","expected_high"'
