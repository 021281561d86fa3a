"""Kernels are kept by what they are compiled from: a second clone finds them, a damaged or foreign file is as if it were not there."""

import ast
import os
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any

import grimp
import pytest

from zonepulse.streams.kernels import locator
from zonepulse.streams.kernels.cache import compiler_options
from zonepulse.streams.kernels.locator import GENERATIONS, UNUSED_S, SealedFiles, remove_old
from zonepulse.streams.kernels.sources import sources_of

pytestmark = pytest.mark.large
STAMP = "a stamp"
RUN = """
import os, sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "__editable__" not in getattr(finder, "__module__", "")]
sys.path.insert(0, sys.argv[1])
from zonepulse.streams.kernels.cache import use_kernel_cache
use_kernel_cache(os.environ)
import numpy as np
from zonepulse.processors.decoding import record_batches
assert record_batches.__file__.startswith(sys.argv[1])
assert record_batches.span(np.frombuffer(b"\\x04abc", np.uint8), 0, 4) == (1, 3)
stats = record_batches.span.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


def clone(place: Path) -> Path:
    """A copy of the sources, as another checkout has them."""
    for top in ("schemas", "processors", "streams", "deploy"):
        shutil.copytree(str(files(f"zonepulse.{top}")), place / "zonepulse" / top, ignore=shutil.ignore_patterns("__pycache__"))
    return place


def run(place: Path, cache: Path, **more: str) -> tuple[int, int]:
    """Hits and misses of numba's cache as a process of the clone at `place` calls a kernel."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", RUN, str(place)],
        env={**kept, "ZONEPULSE_CACHE": str(cache), **more}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    hits, misses = map(int, done.stdout.split())
    return hits, misses


def kernel_files(cache: Path) -> list[Path]:
    return sorted((cache / "kernels").glob("*/*.nbc"))


@pytest.mark.integration
def test_a_second_clone_at_another_path_compiles_nothing(tmp_path: Path) -> None:
    cache, first, second = tmp_path / "cache", clone(tmp_path / "a"), clone(tmp_path / "elsewhere" / "b")
    assert run(first, cache) == (0, 1)
    found = {path: path.stat().st_ino for path in kernel_files(cache)}
    assert run(second, cache) == (1, 0)
    assert {path: path.stat().st_ino for path in kernel_files(cache)} == found
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}
    assert {stat.S_IMODE(path.parent.stat().st_mode) for path in found} == {0o700}
    assert run(second, cache, NUMBA_BOUNDSCHECK="1") == (0, 1)

    with (second / "zonepulse/processors/zone_run.py").open("a") as file:
        file.write("# nothing that the kernel can see\n")
    assert run(second, cache) == (1, 0)
    with (second / "zonepulse/processors/kernel.py").open("a") as file:
        file.write("# another file, whose kernel it calls\n")
    assert run(second, cache) == (0, 1)
    assert run(first, cache) == (1, 0)


@pytest.mark.integration
def test_damaged_files_and_foreign_folders_stop_no_start(tmp_path: Path) -> None:
    cache, place = tmp_path / "cache", clone(tmp_path / "a")
    run(place, cache)
    for path in kernel_files(cache):
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 1
        path.write_bytes(raw)
    assert run(place, cache) == (0, 1)
    for path in kernel_files(cache):
        path.write_bytes(b"")
    assert run(place, cache) == (0, 1)
    for path in kernel_files(cache):
        path.chmod(0o666)
    assert run(place, cache) == (0, 1)
    assert run(place, cache) == (1, 0)
    shutil.rmtree(cache)
    cache.write_text("no folder")
    assert run(place, cache) == (0, 1)


def files_of(folder: Path) -> Any:
    return SealedFiles(cache_path=str(folder), filename_base="k", source_stamp=STAMP)


def test_writers_at_once_lose_nothing_and_mix_nothing(tmp_path: Path) -> None:
    keys = [("signature", n) for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: files_of(tmp_path).save(key, key), keys * 4))
    assert [files_of(tmp_path).load(key) for key in keys] == keys
    assert len(list(tmp_path.iterdir())) == len(keys)


def test_a_file_of_another_key_or_stamp_is_not_taken(tmp_path: Path) -> None:
    one = files_of(tmp_path)
    one.save("a", "data")
    (path,) = tmp_path.iterdir()
    path.rename(one._path("b"))
    assert one.load("b") is None
    one.save("a", "data")
    assert one.load("a") == "data"
    assert SealedFiles(cache_path=str(tmp_path), filename_base="k", source_stamp="other").load("a") is None
    one.flush()
    assert one.load("a") is None


def test_a_folder_that_is_gone_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    lost = files_of(tmp_path / "file" / "folder")
    lost.save("a", "data")
    assert lost.load("a") is None


def test_old_generations_make_room(tmp_path: Path) -> None:
    now = 4_000_000_000
    for n in range(GENERATIONS + 3):
        (tmp_path / f"m.fold-{n:02}").mkdir()
        os.utime(tmp_path / f"m.fold-{n:02}", (now, now + n))
    (tmp_path / "m.fold_more-00").mkdir()
    (tmp_path / "gone").mkdir()
    os.utime(tmp_path / "gone", (0, 0))
    (tmp_path / "compiled-0").touch()
    os.utime(tmp_path / "compiled-0", (0, UNUSED_S))
    remove_old(tmp_path, "m.fold")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(f"m.fold-{n:02}" for n in range(4, GENERATIONS + 3)),
        "m.fold_more-00",
    ]


def kernel_modules() -> list[str]:
    root = Path(str(files("zonepulse.processors")))
    found = []
    for path in sorted(root.rglob("*.py")):
        names = {node.id for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Name)}
        if "kernel" in names or path.name == "kernel.py":
            found.append(".".join(["zonepulse", "processors", *path.relative_to(root).with_suffix("").parts]))
    return found


def test_every_module_that_a_kernel_can_see_counts() -> None:
    graph = grimp.build_graph("zonepulse.schemas", "zonepulse.processors", cache_dir=None)
    assert len(kernel_modules()) > 20
    for module in kernel_modules():
        assert sources_of(module) >= {module, *graph.find_upstream_modules(module)}, module
    assert sources_of("zonepulse.processors.decoding.record_batches") < sources_of("zonepulse.processors.decoding.kafka_format")
    assert sources_of("zonepulse.absent") == set()


def test_options_of_the_compiler_count_and_places_do_not() -> None:
    assert compiler_options({"NUMBA_BOUNDSCHECK": "1"}) != compiler_options({})
    assert compiler_options({"NUMBA_CACHE_DIR": "/a", "HOME": "/b"}) == compiler_options({})


def test_what_is_used_of_numba_is_there() -> None:
    caching = locator.caching
    assert caching.IndexDataCacheFile is SealedFiles
    assert set(SealedFiles.__dict__) & set(SealedFiles.__base__.__dict__) >= {"flush", "save", "load"}
    assert caching._CacheLocator.__abstractmethods__ == {"get_cache_path", "get_source_stamp", "get_disambiguator"}
