"""Cases made from what meters, gateways and files did to people: each folder holds through `zonepulse replay file`."""

import importlib
from pathlib import Path

import pytest

CASES = Path(__file__).parents[2] / "cases"
FOLDERS = sorted(path for path in (CASES / "field").iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_case_holds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(CASES))
    assert importlib.import_module("field").judge(folder).problems == ()


def test_a_case_that_does_not_hold_says_what_differs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(CASES))
    given = CASES / "field" / "daily-values-at-local-midnight"
    for path in given.iterdir():
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8").replace(" 2000000\n", " 2000001\n"), encoding="utf-8")
    problems = importlib.import_module("field").judge(tmp_path).problems
    assert [p.splitlines()[1:] for p in problems] == [["    expected 2000001", "    got      2000000"]]
