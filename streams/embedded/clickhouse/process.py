"""The embedded ClickHouse endpoint as a child process, with its users."""

import http.client
import secrets
import sys
from pathlib import Path

import msgspec

from zonepulse.streams.embedded.clickhouse.users import Role, User, digest_of, write_users
from zonepulse.streams.embedded.processes.process import TAIL_LINES, ChildProcess, free_port, locked, require_free

READY_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 15.0
WRITER = "zonepulse"
READER = "dashboard"


class ClickHouseProcess:
    """The endpoint in `folder` (made if missing): its data, its `users.json` (digests of passwords) and `clickhouse.log`.

    The passwords themselves, made at the first start, are beside the folder, in `passwords_file`, which the endpoint cannot read.

    The port is a free one unless given. After `stop`, or a kill, `start` continues with the same data, port and passwords.
    Starting raises PortTaken, FolderTaken, ProcessDied or NotReady. `options` are further command-line options of the endpoint.
    """

    def __init__(self, folder: Path, port: int | None = None, options: tuple[str, ...] = ()) -> None:
        self.folder = folder.resolve()
        self.port = port or free_port()
        argv = [sys.executable, "-P", "-m", "zonepulse.streams.embedded.http.endpoint", "--path", str(self.folder)]
        argv += ["--port", str(self.port), "--users", str(self.users_file), *options]
        self._argv = tuple(argv)
        self.process = ChildProcess("ClickHouse endpoint", argv, self.folder / "clickhouse.log", cwd=self.folder)

    @property
    def users_file(self) -> Path:
        """JSON: names, roles and digests of passwords; readable by its owner only."""
        return self.folder / "users.json"

    @property
    def passwords_file(self) -> Path:
        """JSON: names and passwords; readable by its owner only, outside of what the endpoint may read."""
        return self.folder.with_name(f"{self.folder.name}-passwords.json")

    @property
    def pid(self) -> int:
        """Process id of the endpoint."""
        return self.process.pid

    def password(self, user: str) -> str:
        """Of `zonepulse` (writer) or `dashboard` (reader); known after the first start."""
        return next(known.password for known in self._passwords() if known.name == user)

    def start(self, *options: str) -> None:
        """Makes users if there are none, starts the endpoint, returns when it answers. `options` are for this start only."""
        self.launch(*options)
        self.process.wait_or_stop(self._answers, READY_TIMEOUT_S)

    def launch(self, *options: str) -> None:
        """As `start`, and returns when the process runs."""
        require_free(self.process.name, self.port)
        with locked(self.process.name, self.folder) as lock:
            self._make_users()
            self.process.argv = (*self._argv, *options)
            self.process.start(keep=(lock,))

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Ends it cleanly, by force after `timeout_s`. Harmless if it does not run."""
        self.process.stop(timeout_s)

    def log_tail(self, lines: int = TAIL_LINES) -> str:
        """The last lines of its log."""
        return self.process.log_tail(lines)

    def _make_users(self) -> None:
        """Passwords first: digests without them would shut everybody out. Passwords that stood in the users file are moved."""
        if not self.passwords_file.exists():
            roles: dict[str, Role] = {WRITER: "writer", READER: "reader"}
            old = _read(self.users_file) if self.users_file.exists() else []
            kept = [user for user in old if user.password] or [User(n, r, secrets.token_urlsafe(24)) for n, r in roles.items()]
            write_users(self.passwords_file, kept)
        elif self.users_file.exists() and not any(user.password for user in _read(self.users_file)):
            return
        known = self._passwords()
        others = [user for user in _read(self.users_file) if not user.password] if self.users_file.exists() else []
        others = [user for user in others if user.name not in {k.name for k in known}]
        digests = [User(k.name, k.role, password_sha256=digest_of(k.password), settings=k.settings) for k in known]
        write_users(self.users_file, [*digests, *others])

    def _passwords(self) -> list[User]:
        return _read(self.passwords_file)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _read(path: Path) -> list[User]:
    return msgspec.json.decode(path.read_bytes(), type=list[User])
