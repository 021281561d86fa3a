"""Imports point one way: the contracts of pyproject.toml hold."""

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_the_import_contracts_hold() -> None:
    """In a process of its own: the linter disables every logger that exists."""
    done = subprocess.run([Path(sys.executable).with_name("lint-imports"), "--no-logo"], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
