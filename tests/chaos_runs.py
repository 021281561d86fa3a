"""`zonepulse chaos` as a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def chaos(folder: Path, seed: object, faults: object, readings: object, *options: str) -> dict[str, Any]:
    """Its result, after it has ended well; what it said is printed. AssertionError where a row differs or it did not come through."""
    argv = [sys.executable, "-m", "zonepulse.streams.cli.main", "chaos", "--json"]
    argv += ["--seed", str(seed), "--faults", str(faults), "--readings", str(readings), *options]
    with (folder / "log").open("wb") as log:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=log)
    print((folder / "log").read_text()[-8000:])
    result: dict[str, Any] = json.loads(done.stdout or b"{}")
    print(
        json.dumps(
            {name: result.get(name) for name in ("differences", "first_difference", "differences_by_table", "seconds", "oracle_s")}
        )
    )
    assert (done.returncode, result.get("differences")) == (0, 0), json.dumps(result, indent=1)
    return result
