"""A copy of the sources in which one file declares one thing more: what else knows it is derived."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[1]
_TIMEOUT_S: Final = 300


class Tree:
    """`zonepulse.*` from `folder`, whose files may be changed; kernels run without the compiler."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignored = shutil.ignore_patterns("__pycache__")
        for name in ("schemas", "processors", "streams", "deploy"):
            shutil.copytree(REPOSITORY / name, folder / "zonepulse" / name, ignore=ignored)
        shutil.copytree(REPOSITORY / "tests" / "oracle", folder / "tests" / "oracle", ignore=ignored)
        shutil.copytree(REPOSITORY / "grafana", folder / "grafana", ignore=ignored)

    def change(self, file: str, **pieces: tuple[str, str]) -> None:
        """Puts text before each of some texts of a file, each there once."""
        path = self.folder / file
        text = path.read_text("utf-8")
        for before, added in pieces.values():
            assert text.count(before) == 1, f"{file}: {before!r} is there {text.count(before)} times"
            text = text.replace(before, added + before)
        path.write_text(text, "utf-8")

    def add(self, file: str, text: str) -> None:
        """Makes a file."""
        path = self.folder / file
        assert not path.exists(), path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def run(self, program: str) -> None:
        """Runs a program on the changed sources; fails with what it said."""
        environment = {**os.environ, "PYTHONPATH": f"{self.folder}:{self.folder / 'grafana'}", "NUMBA_DISABLE_JIT": "1"}
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=self.folder, env=environment, text=True, capture_output=True, timeout=_TIMEOUT_S
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
