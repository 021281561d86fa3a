"""Programs that only show what is known start without the compiler and the columns of tables."""

import subprocess
import sys

import pytest

HEAVY = {"numba", "llvmlite", "numpy", "pyarrow"}


@pytest.mark.integration
@pytest.mark.parametrize("module", ["zonepulse.streams.board.server", "zonepulse.streams.queries.zone_live_queries"])
def test_is_light(module: str) -> None:
    program = f"import sys, {module}; print(*sorted({HEAVY} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split() == []
