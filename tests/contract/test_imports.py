"""Imports point one way: the contracts of pyproject.toml hold."""

import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

REPOSITORY = Path(__file__).parents[2]


def test_the_import_contracts_hold(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(sys, "path", list(sys.path))  # the linter puts the working directory on it
    assert lint_imports(no_logo=True) == 0, capsys.readouterr().out
