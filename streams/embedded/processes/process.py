"""A child process that never outlives its parent, with its output in a log file."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from zonepulse.streams.embedded.processes.private_files import private_folder

TAIL_LINES: Final = 20
POLL_S: Final = 0.05
DYING_S: Final = 3.0
"""A killed server holds its lock until its last thread is gone."""

# Runs before the program, under the program's process id: the kernel kills the program as soon as the parent is gone
# (PR_SET_PDEATHSIG = 1, Linux). A parent that died before this line is noticed by its id. Signals that a background shell or nohup
# left ignored are heeded again.
_LAUNCH: Final = """
import ctypes, os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent process is gone")
os.execvp(sys.argv[2], sys.argv[2:])
"""


class ProcessDied(RuntimeError):
    """A child ended without being asked to: `name`, `exit_code` (negative: the signal), `tail` (the log's last lines)."""

    def __init__(self, name: str, exit_code: int, log: Path, tail: str) -> None:
        ended = f"signal {signal.Signals(-exit_code).name}" if exit_code < 0 else f"exit code {exit_code}"
        super().__init__(f"{name} ended with {ended}; the end of {log}:\n{tail or '(empty)'}")
        self.name, self.exit_code, self.tail = name, exit_code, tail


class NotReady(RuntimeError):
    """A child runs but did not become ready in time; the message holds its log's last lines."""


class PortTaken(RuntimeError):
    """The port a child was to listen on is in use; the message names both."""


class FolderTaken(RuntimeError):
    """Another server runs on the data folder; the message names it."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    """Whether something accepts connections on a TCP port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def require_free(name: str, port: int) -> None:
    """Raises PortTaken if something listens there: it would be mistaken for the child that cannot start because of it."""
    if is_listening(port):
        raise PortTaken(f"{name}: port {port} of 127.0.0.1 is in use: stop what listens there or choose another port")


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def locked(name: str, folder: Path) -> Iterator[int]:
    """The data folder (made if missing), locked: an open file that its server keeps, so the lock ends with the server.

    Two Kafka brokers on one folder would ruin it without noticing. Raises FolderTaken.
    """
    private_folder(folder)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + DYING_S
        while not _try_lock(lock):
            if time.monotonic() > deadline:
                raise FolderTaken(f"{name}: another process uses {folder}: stop it or choose another folder")
            time.sleep(POLL_S)
        yield lock
    finally:
        os.close(lock)


def log_tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last `lines` lines of a log file, "" if there is none."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 500 * lines))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@cache
def _spawner() -> ThreadPoolExecutor:
    """Children die with the *thread* that forked them, so one thread that lives as long as this process forks them all."""
    return ThreadPoolExecutor(1, "spawner")


class ChildProcess:
    """One program under supervision: `start`, `stop`, and what to know about it in between.

    Output goes to `log` (appended). What the child makes is its owner's alone. The child is in a session of its own, so
    Ctrl-C reaches the parent only, which stops its children in order.
    """

    def __init__(
        self, name: str, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self.name, self.argv, self.log = name, tuple(argv), log
        self._env, self._cwd = dict(os.environ if env is None else env), cwd
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the last start. Raises RuntimeError before the first."""
        if self._process is None:
            raise RuntimeError(f"{self.name} is not started: call start() first")
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs or before the first start; negative: the signal that ended it."""
        return None if self._process is None else self._process.poll()

    @property
    def is_running(self) -> bool:
        """Started and not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self, keep: tuple[int, ...] = ()) -> None:
        """Starts the program with the open files `keep` and returns at once.

        Raises FileNotFoundError if there is no such program, RuntimeError if it runs already.
        """
        if self.is_running:
            raise RuntimeError(f"{self.name} runs already (process {self.pid}): stop() it first")
        if shutil.which(self.argv[0]) is None:
            raise FileNotFoundError(f"{self.name}: program {self.argv[0]!r} not found on PATH")
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._process = _spawner().submit(self._fork, keep).result()

    def _fork(self, keep: tuple[int, ...]) -> "subprocess.Popen[bytes]":
        argv = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), *self.argv]
        env, cwd = self._env, self._cwd
        with open(self.log, "ab", opener=_private) as out:
            return subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, cwd=cwd, pass_fds=keep, start_new_session=True
            )

    def wait_or_stop(self, is_ready: Callable[[], bool], timeout_s: float) -> None:
        """`wait_ready`; a child that did not become ready is stopped."""
        try:
            self.wait_ready(is_ready, timeout_s)
        except BaseException:
            self.stop()
            raise

    def wait_ready(self, is_ready: Callable[[], bool], timeout_s: float) -> None:
        """Blocks until `is_ready()`. Raises ProcessDied if the child ends first, NotReady after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while not is_ready():
            self.check()
            if time.monotonic() > deadline:
                late = f"{self.name} (process {self.pid}) is not ready after {timeout_s:g} s"
                raise NotReady(f"{late}; the end of {self.log}:\n{self.log_tail()}")
            time.sleep(POLL_S)
        self.check()

    def check(self) -> None:
        """Raises ProcessDied if it ended."""
        code = self.exit_code
        if code is not None:
            raise ProcessDied(self.name, code, self.log, self.log_tail())

    def stop(self, timeout_s: float = 15.0) -> int | None:
        """SIGTERM, and SIGKILL after `timeout_s`; wakes a child in SIGSTOP. The exit code; None if never started."""
        if self._process is None:
            return None
        if self._process.poll() is None:
            self._process.terminate()
            self._process.send_signal(signal.SIGCONT)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()

    def log_tail(self, lines: int = TAIL_LINES) -> str:
        """The last lines of its log."""
        return log_tail(self.log, lines)
