"""The last release beside these sources: taken from the repository's history, as a `zonepulse` that is imported first.

Run as a program it writes tests/data/release.zst anew, what the release leaves behind.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

from zonepulse.streams.kernels.cache import use_kernel_cache

TAG = "v0.1.0rc1"
COMMIT = "4f0ab2566a489266ca4efe5f35796d68ff223c6b"
"""What the tag names: a clone without tags has the commit."""
LOCATORS = "zonepulse.streams.workers.kernel_locator.ContentLocator,UserProvidedCacheLocator"
"""What numba asks for kernels there; these sources' has another name, which would be inherited."""
REPOSITORY = Path(__file__).parents[1]
_FOLDERS = {"schemas": "schemas", "processors": "processors", "streams": "streams", "deploy": "deploy", "tests/oracle": "oracle"}


def released(folder: Path) -> tuple[str, dict[str, str]]:
    """Its Python, and the environment in which that is the release. Where it asks for other libraries than these sources, a virtual
    environment is made for it from its own lock; else the libraries are shared.
    """
    root, tar = folder / "release" / "zonepulse", folder / "tar"
    root.mkdir(parents=True)
    with tarfile.open(fileobj=BytesIO(_of_release("archive", "--format=tar", COMMIT, *_FOLDERS))) as archive:
        archive.extractall(tar, filter="data")
    for path, name in _FOLDERS.items():
        (tar / path).rename(root / name)
    lock = _of_release("show", f"{COMMIT}:requirements.lock")
    python = sys.executable if lock == (REPOSITORY / "requirements.lock").read_bytes() else _installed(folder / "venv", lock)
    environment = {"PYTHONPATH": str(root.parent), "NUMBA_CACHE_LOCATOR_CLASSES": LOCATORS}
    program = "import zonepulse.streams as s; print(s.__file__)"
    told = subprocess.run([python, "-c", program], env=os.environ | environment, capture_output=True, check=True)
    assert told.stdout.decode().startswith(str(root)), told.stdout
    return python, environment


def _of_release(*words: str) -> bytes:
    done = subprocess.run(["git", "-C", str(REPOSITORY), *words], capture_output=True, check=False)
    assert done.returncode == 0, (
        f"the last release ({TAG}, {COMMIT[:10]}) is not in this clone: `git fetch --unshallow` or `git fetch origin {COMMIT}` gets it"
        f" ({done.stderr.decode().strip()})"
    )
    return done.stdout


def _installed(venv: Path, lock: bytes) -> str:
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    (venv / "requirements.lock").write_bytes(lock)
    python = str(venv / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
    subprocess.run([*pip, "-r", str(venv / "requirements.lock")], check=True)
    return python


def main() -> None:
    tests = REPOSITORY / "tests"
    use_kernel_cache(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        python, environment = released(Path(folder))
        environment["PYTHONPATH"] = os.pathsep.join([environment["PYTHONPATH"], str(tests)])
        command = [python, str(tests / "release_state.py"), str(tests / "data" / "release.zst"), TAG]
        subprocess.run(command, env=os.environ | environment, check=True)


if __name__ == "__main__":
    main()
