"""`zonepulse` as a process of its own, from its start to its end (forked.py)."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from forked import become, command, server
from patience import patience_s


def _run(words: tuple[str, ...], env: Mapping[str, str], cwd: str, out: str, err: str) -> None:
    become(env, cwd, out, err)
    command(words)


class Command:
    """One that runs: what its process is told, and how it ended."""

    def __init__(self, *words: object, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
        self.words = tuple(str(word) for word in words)
        self._folder = tempfile.TemporaryDirectory(prefix="command-")
        self._told = [os.path.join(self._folder.name, name) for name in ("out", "err")]
        arguments: Any = (self.words, dict(os.environ if env is None else env), str(cwd or Path.cwd()), *self._told)
        self.process = server().Process(target=_run, args=arguments)
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
