"""`zonepulse` as a process of its own that need not import it: a server that has is forked for each command.

A command's start costs two CPU seconds, nearly all of them imports and kernels from the cache; the tests that run here start some two
hundred. What a start itself does is tested where it is begun by `python -m` (demo, chaos, workers).
"""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from patience import patience_s

LOADED = ("zonepulse.streams.cli.main", "zonepulse.streams.cli.replay.command", "zonepulse.streams.cli.registry.command", "warmed")


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LOADED))
    return context


def _become(words: tuple[str, ...], env: Mapping[str, str], cwd: str, out: str, err: str) -> None:
    for path, to in ((out, 1), (err, 2)):
        with open(path, "wb") as file:
            os.dup2(file.fileno(), to)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = ["zonepulse", *words]
    from zonepulse.streams.cli.main import app

    app()


class Command:
    """One that runs: what its process is told, and how it ended."""

    def __init__(self, *words: object, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
        self.words = tuple(str(word) for word in words)
        self._folder = tempfile.TemporaryDirectory(prefix="command-")
        self._told = [os.path.join(self._folder.name, name) for name in ("out", "err")]
        arguments: Any = (self.words, dict(os.environ if env is None else env), str(cwd or Path.cwd()), *self._told)
        self.process = _server().Process(target=_become, args=arguments)
        self.process.start()

    def end(self, timeout_s: float) -> "CompletedProcess[str]":
        """Waits for it; AssertionError, and it is killed, where that takes longer than `timeout_s` on a quiet machine."""
        self.process.join(patience_s(timeout_s))
        is_late = self.process.exitcode is None
        if is_late:
            self.process.kill()
            self.process.join()
        out, err = (Path(path).read_text("utf-8") for path in self._told)
        self._folder.cleanup()
        assert not is_late, f"zonepulse {' '.join(self.words)} has not ended after {timeout_s:g} s: {out[-2000:]}{err[-2000:]}"
        return CompletedProcess(self.words, self.process.exitcode or 0, out, err)


def run(*words: object, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout_s: float = 300) -> Any:
    """A command from its start to its end, as `subprocess.run` with captured text tells it."""
    return Command(*words, env=env, cwd=cwd).end(timeout_s)
