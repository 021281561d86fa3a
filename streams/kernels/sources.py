"""What a kernel is compiled from: its module and everything of zonepulse that this module imports, directly or not."""

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

_FROM: Final = re.compile(rb"^[ \t]*from[ \t]+(zonepulse[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)", re.MULTILINE)
_IMPORT: Final = re.compile(rb"^[ \t]*import[ \t]+(zonepulse[\w.]*)", re.MULTILINE)


@cache
def sources_digest(module: str) -> str:
    """64 hex digits that change with any source that a kernel of `module` (dotted name) can see, wherever the sources lie."""
    digest = hashlib.sha256()
    for name in sorted(sources_of(module)):
        source = _source(name)
        digest.update(f"{name} {hashlib.sha256(source).hexdigest()}\n".encode())
    return digest.hexdigest()


def sources_of(module: str) -> set[str]:
    """Dotted names of `module`, of the modules it imports, and of the packages they lie in: imports within functions count too."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found and _path(name) is not None:
            found.add(name)
            waiting.extend(_imported(name))
            waiting.append(name.rpartition(".")[0])
    return found


@cache
def _imported(module: str) -> frozenset[str]:
    return frozenset(_names(_source(module)))


def _names(source: bytes) -> Iterator[str]:
    """Modules that may be meant; a name that is no module has no file."""
    for package, names in _FROM.findall(source):
        yield package.decode()
        yield from (f"{package.decode()}.{name}" for name in re.findall(r"\w+", names.decode()))
    yield from (name.decode() for name in _IMPORT.findall(source))


def _source(module: str) -> bytes:
    path = _path(module)
    return path.read_bytes() if path else b""


@cache
def _path(module: str) -> Path | None:
    """The file of a module of zonepulse; None where there is none."""
    _, _, inner = module.partition(".")
    top, *rest = inner.split(".")
    if not top or not module.startswith("zonepulse."):
        return None
    try:
        place = Path(str(files(f"zonepulse.{top}"))).joinpath(*rest)
    except ModuleNotFoundError:
        return None
    candidates = [place / "__init__.py", *([place.with_suffix(".py")] if rest else [])]
    return next((path for path in candidates if path.is_file()), None)
