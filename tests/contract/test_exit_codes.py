"""README's table of exit codes is the code's."""

import re
from pathlib import Path

from zonepulse.streams import exit_codes
from zonepulse.streams.exit_codes import MEANINGS

REPOSITORY = Path(__file__).parents[2]


def test_readme_lists_the_exit_codes_of_the_code() -> None:
    table = (REPOSITORY / "README.md").read_text("utf-8").partition("| exit code | meaning |\n|---|---|\n")[2].partition("\n\n")[0]
    rows = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in table.splitlines()]
    assert rows == list(MEANINGS.items())


def test_every_constant_has_a_meaning_and_its_own_number() -> None:
    numbers = [number for name, number in vars(exit_codes).items() if name.isupper() and isinstance(number, int)]
    assert sorted(numbers) == sorted(int(code.partition(" ")[0]) for code in MEANINGS)


def test_no_command_ends_with_a_number_of_its_own() -> None:
    for path in (REPOSITORY / "streams").rglob("*.py"):
        assert not re.search(r"typer\.Exit\(\d", path.read_text("utf-8")), path
