"""No record of 8 MB, of any topic and in any form, makes the process that consumes it much larger. A soak tries every form."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration
SCRIPT = Path(__file__).parents[1] / "large_records.py"
MOST_BYTES = 200 << 20


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize(
    "consumers",
    [
        ["readings"],
        ["intervals", "stored intervals", "results", "alerts", "letters"],
        ["registry", "commands", "notify", "checkpoints"],
    ],
    ids=" ".join,
)
def test_a_process_grows_by_less_than_200_mb_for_any_record(consumers: list[str], every: int) -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), str(every), *consumers], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    grown = dict(json.loads(line) for line in done.stdout.splitlines())
    assert {name.partition(":")[0] for name in grown} == set(consumers)
    assert {name: size >> 20 for name, size in grown.items() if size > MOST_BYTES} == {}
