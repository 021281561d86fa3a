"""The wheel holds what the folders hold, imports as zonepulse.* and nothing else, and has its compiled half."""

import pkgutil
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import import_module
from pathlib import Path

import numba
import pytest
from numba.core.registry import CPUDispatcher

import zonepulse.processors

REPOSITORY = Path(__file__).parents[2]
SETUPTOOLS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]
FOLDERS = {name: REPOSITORY / folder for name, folder in SETUPTOOLS["package-dir"].items()}
NOT_SOURCE = shutil.ignore_patterns(".*", "build", "dist", "data", "*.egg-info", "__pycache__")
SOURCES_OF_THE_WHEEL = ("schemas", "processors", "streams", "deploy", "tests/oracle")


def _folders_with_python() -> set[Path]:
    return {p.parent for top in SOURCES_OF_THE_WHEEL for p in (REPOSITORY / top).rglob("*.py")}


def _files_to_ship() -> set[str]:
    """Every file of a package folder, as it is named in the wheel."""
    files = {}
    for name, folder in sorted(FOLDERS.items()):  # a sub-package comes after its parent and names its files anew
        for path in folder.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("."):
                files[path] = f"{name.replace('.', '/')}/{path.relative_to(folder).as_posix()}"
    return set(files.values())


def test_every_folder_with_python_is_a_listed_package() -> None:
    assert set(FOLDERS.values()) == _folders_with_python()
    assert set(SETUPTOOLS["packages"]) == set(FOLDERS)


def test_no_package_holds_more_modules_than_a_reader_takes_in() -> None:
    sizes = {
        str(f.relative_to(REPOSITORY)): len([p for p in f.glob("*.py") if p.name != "__init__.py"]) for f in _folders_with_python()
    }
    assert {folder: n for folder, n in sizes.items() if n > 14} == {}


def test_the_kernels_are_compiled() -> None:
    assert not numba.config.DISABLE_JIT
    found = pkgutil.walk_packages(zonepulse.processors.__path__, "zonepulse.processors.")
    modules = [import_module(m.name) for m in found]
    assert any(isinstance(value, CPUDispatcher) for module in modules for value in vars(module).values())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, since setuptools would put what lies in ./build into it."""
    root = tmp_path_factory.mktemp("wheel")
    shutil.copytree(REPOSITORY, root / "source", ignore=NOT_SOURCE, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", str(root), str(root / "source")], check=True)
    (built,) = root.glob("*.whl")
    return built


@pytest.mark.integration
def test_the_wheel_holds_every_file_of_the_packages_and_no_other_top_level(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert {name.split("/")[0] for name in names} == {"zonepulse"}
    assert _files_to_ship() <= names


@pytest.mark.integration
def test_the_wheel_imports_from_another_directory(wheel: Path, tmp_path: Path) -> None:
    """`-S` keeps the editable install out; the libraries are put behind the wheel by hand."""
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    script = f"""
import sys
sys.path[:] = [p for p in sys.path if p] + [{str(site)!r}, {str(Path(numba.__file__).parents[1])!r}]
from importlib import import_module, util
for name in {SETUPTOOLS["packages"]!r}:
    assert import_module(name).__file__.startswith({str(site)!r}), name
for name in ("streams", "processors", "schemas", "deploy", "oracle"):
    assert util.find_spec(name) is None, name
"""
    subprocess.run([sys.executable, "-I", "-S", "-c", script], cwd=tmp_path, check=True)
