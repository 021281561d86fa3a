"""The command line as a whole: quick help, commands imported one at a time, errors as one line."""

import os
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest
from typer.testing import CliRunner

from zonepulse.schemas.problems import Problem, RegistryError
from zonepulse.streams.cli import main
from zonepulse.streams.cli.main import COMMANDS, Command, app, is_here
from zonepulse.streams.cli.shared import kernels
from zonepulse.streams.kernels.cache import are_compiled, mark_compiled, use_kernel_cache
from zonepulse.streams.screen import BadInput, Stop, exit_code, explain
from zonepulse.streams.settings import BadSetting, cache_folder


def test_help_lists_every_command_in_one_line_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(app, ["--help"]).output
    for name, command in COMMANDS.items():
        assert not is_here(command) or any(line.split()[1:2] == [name] and command.help in line for line in shown.splitlines()), (
            name
        )


@pytest.mark.integration
def test_help_imports_no_heavy_library() -> None:
    code = "import sys; from typer.testing import CliRunner; from zonepulse.streams.cli.main import app; "
    code += "assert CliRunner().invoke(app, ['--help']).exit_code == 0; "
    code += "print([m for m in ('numba', 'pyarrow', 'kafka', 'faust', 'clickhouse_connect') if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


def test_a_command_whose_module_is_missing_breaks_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(main.COMMANDS, "absent", Command("absent", "absent", "Is not there."))
    assert "Is not there." not in CliRunner().invoke(app, ["--help"]).output
    assert CliRunner().invoke(app, ["doctor", "--help"]).exit_code == 0
    assert "No such command 'absent'" in CliRunner().invoke(app, ["absent"]).output


def test_a_mistyped_command_is_put_right() -> None:
    result = CliRunner().invoke(app, ["regsitry"])
    assert result.exit_code == 2
    assert "Did you mean 'registry'?" in result.output


@pytest.mark.parametrize("name", [n for n, command in COMMANDS.items() if is_here(command)])
def test_every_command_has_help(name: str) -> None:
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert f"zonepulse {name}" in " ".join(result.output.split()) or name in result.output


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (Stop("no broker"), 1, "no broker"),
        (BadInput("bad file"), 2, "bad file"),
        (BadSetting("X is 1"), 2, "X is 1"),
        (RegistryError([Problem("z.yaml", 3, "a.b", "what", "remedy")]), 2, "z.yaml:3: a.b: what; remedy"),
        (FileNotFoundError(2, "No such file or directory", "x.csv"), 1, "x.csv: no such file or directory"),
        (ConnectionResetError("gone"), 1, "ConnectionResetError: gone"),
    ],
)
def test_expected_errors_have_an_exit_code_and_a_line(error: Exception, code: int, text: str) -> None:
    assert (exit_code(error), explain(error)) == (code, text)


def test_mistakes_in_the_program_keep_their_traceback() -> None:
    assert exit_code(KeyError("x")) is None
    assert exit_code(ValueError("x")) is None


def test_the_kernel_cache_is_the_users_and_a_given_one_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZONEPULSE_CACHE", "/c")
    environment: dict[str, str] = {}
    use_kernel_cache(environment)
    assert environment["NUMBA_CACHE_DIR"] == "/c/kernels"
    given = {"NUMBA_CACHE_DIR": "/mine", "NUMBA_CACHE_LOCATOR_CLASSES": "UserWideCacheLocator"}
    use_kernel_cache(environment := dict(given))
    assert environment == given


def test_the_cache_folder_is_the_users_unless_another_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZONEPULSE_CACHE", "/a")
    assert cache_folder() == Path("/a")
    monkeypatch.delenv("ZONEPULSE_CACHE")
    assert cache_folder() == Path(platformdirs.user_cache_dir("zonepulse"))


def test_the_first_start_says_at_once_that_it_compiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    kernels.tell_if_compiling()
    assert capsys.readouterr().err == "compiling the kernels: about half a minute, at the first start only\n"
    mark_compiled(os.environ)  # as it is: options of numba count, and so does the cache's place
    kernels.tell_if_compiling()
    assert capsys.readouterr().err == ""
    assert not are_compiled({})
    mark_compiled({"NUMBA_CACHE_DIR": str(tmp_path / "cannot" / "be")})
