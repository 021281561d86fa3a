"""The guard of tests/conftest.py guards."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SUSPECTS = """
import contextlib, socket, subprocess, sys
import pytest

def connect():
    with socket.socket() as s:
        s.connect_ex(("127.0.0.1", 9))

def test_connects():
    connect()

def test_connects_and_hides_it():
    with contextlib.suppress(PermissionError):
        connect()

def test_starts_a_process():
    subprocess.run([sys.executable, "-c", ""])

@pytest.fixture(scope="session")
def server():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))

def test_uses_a_server(server):
    pass

def test_keeps_to_itself():
    pass

@pytest.mark.integration
def test_says_so():
    connect()
"""


@pytest.mark.integration
def test_an_unmarked_test_that_reaches_outside_fails(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(REPOSITORY / name, tmp_path)
    (tmp_path / "test_suspects.py").write_text(SUSPECTS)
    run = [sys.executable, "-m", "pytest", "-rA", "-p", "no:randomly", "test_suspects.py"]
    out = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True).stdout
    verdicts = {name: verdict for verdict, name in re.findall(r"^(PASSED|FAILED|ERROR) test_suspects.py::(\w+)", out, re.M)}
    assert verdicts == {
        "test_connects": "FAILED",
        "test_connects_and_hides_it": "FAILED",
        "test_starts_a_process": "FAILED",
        "test_uses_a_server": "ERROR",
        "test_keeps_to_itself": "PASSED",
        "test_says_so": "PASSED",
    }, out
