"""A copy of zonepulse that is extended in a file or two, and programs that run in it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
FOLDERS = {name: name for name in ("schemas", "processors", "streams", "deploy", "grafana")} | {"oracle": "tests/oracle"}
_TIMEOUT_S = 300


class Extended:
    """Files are named as in the repository; what is not altered is the repository's own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: set[str] = set()
        """Altered or added."""
        for name, folder in FOLDERS.items():
            shutil.copytree(REPOSITORY / folder, root / "zonepulse" / name, ignore=shutil.ignore_patterns("__pycache__"))

    def add(self, file: str, text: str) -> None:
        """A new file."""
        assert not self._path(file).exists()
        self._path(file).write_text(text, "utf-8")
        self.files.add(file)

    def alter(self, file: str, *changes: tuple[str, str]) -> None:
        """Put texts in the place of others that are there once."""
        text = self._path(file).read_text("utf-8")
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        self._path(file).write_text(text, "utf-8")
        self.files.add(file)

    def run(self, program: str, **environment: str) -> Any:
        """What a program prints as JSON on its last line. It may import the helpers of tests."""
        path = os.pathsep.join([str(self.root), str(REPOSITORY / "tests")])
        variables = {"NUMBA_DISABLE_JIT": "1", "PYTHONDONTWRITEBYTECODE": "1"} | environment
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONPATH": path} | variables,
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def _path(self, file: str) -> Path:
        top, _, rest = file.partition("/")
        return self.root / "zonepulse" / top / rest
