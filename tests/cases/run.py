"""Runs published case files: `python tests/cases/run.py [DIR]` (DIR = this folder if left out).

DIR holds files with the names and formats of those beside this script; a file that is not there is left out. It may also hold field cases
(field.py: folders with expected.json), itself or in a folder `field`, or be one. Prints of
every case whether workers run what it judges (`runs: live core`, `not live yet: function only`, `replay only`), how many do, every case
that fails with what was expected and got, then `N passed, N failed`. Exit status 1 if anything failed; a file that cannot be read
counts as one failure.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import field
import flow
import vee
from verdict import RUNS, Verdict

HERE = Path(__file__).resolve().parent
SUITES: dict[str, Callable[[object], Iterable[Verdict]]] = {
    "vee_cases.json": vee.judge,
    "flow_tracing_cases.json": flow.judge,
}
"""File name -> what judges the parsed file. It raises ValueError for a file that is no such suite."""


def main(argv: list[str]) -> int:
    """Run the suites of the folder that `argv` names; the exit status."""
    if len(argv) > 1 or (argv and argv[0].startswith("-")):
        print(__doc__)
        return 2
    verdicts = [v for suite in _suites(Path(argv[0]) if argv else HERE) for v in suite]
    failed = [v for v in verdicts if v.problems]
    for verdict in verdicts:
        print(f"{'FAILED' if verdict.problems else 'ok':8}{verdict.id:24} runs: {verdict.runs}")
    counted = Counter(v.runs for v in verdicts)
    print(f"runs: {', '.join(f'{counted[runs]} {runs}' for runs in RUNS if counted[runs])}")
    for verdict in failed:
        print(f"FAILED {verdict.id}: {verdict.title}")
        for problem in verdict.problems:
            print(f"  {problem}")
    print(f"{len(verdicts) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def _suites(folder: Path) -> Iterable[list[Verdict]]:
    present = {name for name in SUITES if (folder / name).is_file()}
    for name, judge in SUITES.items():
        if name in present:
            yield _run(folder / name, judge)
        elif present:
            print(f"{name}: not in {folder}, left out")
    for path in sorted(folder.glob("*_cases.json")):
        if path.name not in SUITES:
            print(f"{path.name}: no suite of that name, left out; known: {', '.join(SUITES)}")
    folders = _field_cases(folder)
    if folders:
        print(f"field cases: {len(folders)}")
        yield [_field_case(case) for case in folders]
    if not present and not folders:
        yield [Verdict(str(folder), "no case file", (f"name a folder that holds one of: {', '.join(SUITES)}, or field cases",))]


def _field_cases(folder: Path) -> list[Path]:
    if field.is_case(folder):
        return [folder]
    found = [path for place in (folder, folder / "field") if place.is_dir() for path in sorted(place.iterdir())]
    return [path for path in found if field.is_case(path)]


def _field_case(folder: Path) -> Verdict:
    try:
        return field.judge(folder)
    except (OSError, ValueError, KeyError) as error:
        return Verdict(folder.name, "case cannot be used", (f"{type(error).__name__}: {error}",))


def _run(path: Path, judge: Callable[[object], Iterable[Verdict]]) -> list[Verdict]:
    try:
        verdicts = list(judge(json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError) as error:
        return [Verdict(str(path), "file cannot be used", (str(error),))]
    print(f"{path.name}: {len(verdicts)} cases")
    return verdicts


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
