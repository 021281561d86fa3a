"""One file lists the system packages: README says the same, and both commands begin with a look at it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
ROWS = [
    line.split()
    for line in (REPOSITORY / "deploy" / "system-packages.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


def test_readme_has_one_apt_line_with_every_package() -> None:
    lines = re.findall(r"apt-get install ([a-z0-9 .+-]+)", (REPOSITORY / "README.md").read_text())
    assert [set(line.split()) for line in lines] == [{row[0] for row in ROWS}]


def test_both_commands_and_ci_read_the_list() -> None:
    makefile, ci = (REPOSITORY / "Makefile").read_text(), (REPOSITORY / ".ci" / "run").read_text()
    assert re.search(r"^demo: needs-demo ", makefile, re.MULTILINE) and re.search(r"^test: needs-test ", makefile, re.MULTILINE)
    assert "deploy/system-packages.sh $*" in makefile and "deploy/system-packages.sh test" in ci
    assert not {row[0] for row in ROWS} - {"make"} & set(re.findall(r"[\w-]+", ci))


@pytest.mark.integration
class TestScript:
    """The script itself, on a machine that has only what a test gives it."""

    @pytest.fixture
    def machine(self, tmp_path: Path) -> Path:
        programs = tmp_path / "bin"
        programs.mkdir()
        for name in ("bash", "dirname", "make", "mkdir", "mktemp", "rm", "find", "head", "cp"):
            (programs / name).symlink_to(shutil.which(name) or name)
        self.program(programs, "python3", f'exec {sys.executable} "$@"')
        for name in (
            "java",
            "javac",
            "mvn",
            "promtool",
            "prometheus-alertmanager",
            "amtool",
            "chromium",
            "kubectl",
            "systemd-analyze",
        ):
            self.program(programs, name, "exit 0")
        self.program(programs, "id", "echo 1000")
        for path in (row[2] for row in ROWS if row[1] == "file"):
            (tmp_path / f"system{path}").parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / f"system{path}").touch()
        return programs

    @staticmethod
    def program(folder: Path, name: str, text: str) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_text(f"#!{shutil.which('bash')}\n{text}\n")
        (folder / name).chmod(0o755)

    @staticmethod
    def run(machine: Path, wanted: str) -> "subprocess.CompletedProcess[str]":
        script = [
            str(REPOSITORY / "deploy" / "system-packages.sh"),
            wanted,
            str(machine.parent / "tools"),
            str(machine.parent / "system"),
        ]
        environment = {"PATH": str(machine), "HOME": os.environ.get("HOME", "/")}
        return subprocess.run([str(machine / "bash"), *script], env=environment, capture_output=True, text=True, timeout=60)

    def test_a_machine_with_everything_is_left_alone(self, machine: Path) -> None:
        done = self.run(machine, "test")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_without_root_what_is_missing_is_named_in_one_line(self, machine: Path) -> None:
        (machine / "java").unlink()
        (machine / "mvn").unlink()
        done = self.run(machine, "demo")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1 and done.stderr.endswith("apt-get install default-jdk-headless maven\n")

    @pytest.mark.parametrize(("program", "package"), [("promtool", "prometheus"), ("chromium", "chromium")])
    def test_the_demo_needs_no_tool_of_the_tests(self, machine: Path, program: str, package: str) -> None:
        (machine / program).unlink()
        assert self.run(machine, "demo").returncode == 0
        done = self.run(machine, "test")
        assert (done.returncode, done.stderr.count(f"apt-get install {package}\n")) == (1, 1)

    def test_root_installs_what_is_missing_and_says_so(self, machine: Path) -> None:
        (machine / "java").unlink()
        self.program(machine, "id", "echo 0")
        self.program(machine, "apt-get", f'echo "$@" >> {machine.parent}/calls')
        done = self.run(machine, "test")
        assert done.returncode == 0, done.stderr
        assert done.stdout == "installing what is missing, as root: apt-get install default-jdk-headless\n"
        assert (machine.parent / "calls").read_text().splitlines() == [
            "update -qq",
            "install -y -qq --no-install-recommends default-jdk-headless",
        ]

    def test_a_tool_is_its_package_s_program_and_a_file_lies_where_it_is_read(self, machine: Path) -> None:
        package, name, file = (
            machine.parent / "package",
            "prometheus-alertmanager",
            "/usr/share/prometheus/alertmanager/default.tmpl",
        )
        (machine / name).unlink()
        (machine.parent / f"system{file}").unlink()
        for folder, text in (("etc/init.d", "service"), ("usr/bin", "program")):
            (package / folder).mkdir(parents=True)
            self.program(package / folder, name, f"echo {text}")
        (package / file[1:]).parent.mkdir(parents=True)
        (package / file[1:]).write_text("template")
        self.program(machine, "apt-get", "echo > package.deb")
        self.program(machine, "dpkg-deb", f'{shutil.which("cp")} -r {package} "$3"')
        done = self.run(machine, "test")
        assert done.returncode == 0, done.stderr
        assert (machine.parent / f"system{file}").read_text() == "template"
        tool = machine.parent / "tools" / name
        assert subprocess.run([tool], capture_output=True, text=True, check=True).stdout == "program\n"
