"""Programs of ours as processes of their own that need not import what they are made of: a server that has is forked for each.

A start costs two CPU seconds, nearly all of them imports and kernels from the cache, and the tests that run here start some three
hundred. What a start itself does is tested where it is made by `python -m`: demo, chaos, hosts whose clocks jump.
"""

import ctypes
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

LOADED = (
    "zonepulse.streams.cli.main", "zonepulse.streams.cli.replay.command", "zonepulse.streams.cli.registry.command",
    "zonepulse.streams.workers.worker", "zonepulse.streams.workers.intervals", "zonepulse.streams.workers.ledger",
    "zonepulse.streams.workers.store", "warmed",
)  # fmt: skip
PR_SET_PDEATHSIG = 1


@cache
def server() -> ForkServerContext:
    """Whose children have what is LOADED."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LOADED))
    return context


def become(env: Mapping[str, str], cwd: str, out: str, err: str) -> None:
    """What a started program has: its environment, its folder, and files that its output is added to."""
    for path, to in ((out, 1), (err, 2)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, to)
        os.close(file)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)


def command(words: Sequence[str]) -> None:
    """`zonepulse` with these words."""
    sys.argv = ["zonepulse", *words]
    from zonepulse.streams.cli.main import app

    app()


def script(words: Sequence[str]) -> None:
    """A file and its arguments, as `python` runs it."""
    sys.argv = list(words)
    sys.path.insert(0, str(Path(words[0]).parent))
    runpy.run_path(words[0], run_name="__main__")


def _alone(run: Callable[[Sequence[str]], None], words: Sequence[str], env: Mapping[str, str], cwd: str, log: str) -> None:
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    become(env, cwd, log, log)
    run(words)


class Forked:
    """A process that runs so, with what tests and `ChildProcess` use of Popen; it ends at the latest with the tests."""

    def __init__(
        self, run: Callable[[Sequence[str]], None], words: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path
    ) -> None:
        arguments: Any = (run, tuple(words), dict(env), str(cwd), str(log))
        log.touch(0o600)
        self._process = server().Process(target=_alone, args=arguments, daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired("a forked program", timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
