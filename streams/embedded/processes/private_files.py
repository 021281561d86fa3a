"""Files written whole or not at all; files and folders that only their owner may read."""

import os
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def private_folder(folder: Path) -> Path:
    """Makes it if missing, and closes it to others; what was made before keeps its own mode but is out of reach."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)
    return folder


def write_private(path: Path, content: bytes) -> None:
    """As `write_whole`, a file that only its owner may read. One that is so already is left alone: a full disk stops no later start."""
    if not _is_private(path, content):
        write_whole(path, content, 0o600)


def _is_private(path: Path, content: bytes) -> bool:
    return path.is_file() and path.stat().st_mode & 0o077 == 0 and path.read_bytes() == content


def write_whole(path: Path, content: "ReadableBuffer", mode: int = 0o666) -> None:
    """Replaces a file at once: after a full disk or a kill the old content is there, or the new one, never a part of it.

    Durable when it returns. `mode` is what the umask leaves of it. What a kill leaves is called `.<name>-<random>.part`.
    """
    work = path.with_name(f".{path.name}-{uuid4().hex[:8]}.part")
    try:
        with open(os.open(work, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        work.replace(path)
    except BaseException:
        work.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
