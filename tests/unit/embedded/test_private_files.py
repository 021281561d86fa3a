import os
import subprocess
import sys
from pathlib import Path

import pytest

from zonepulse.streams.embedded.clickhouse.process import READER, WRITER, ClickHouseProcess
from zonepulse.streams.embedded.clickhouse.users import BadUsers, User, digest_of, read_users, write_users
from zonepulse.streams.embedded.processes import landlock
from zonepulse.streams.embedded.processes.private_files import private_folder, write_private


@pytest.mark.integration
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    write_private(file, b"old")
    os.chmod(tmp_path, 0o700)
    script = f"""
import resource, signal
from pathlib import Path
from zonepulse.streams.embedded.processes.private_files import write_private
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
write_private(Path({str(file)!r}), b"n" * 1000)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "OSError" in done.stderr
    assert file.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["users.json"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_folder_is_closed_also_if_it_was_open(tmp_path: Path) -> None:
    for name in ("new/deep", "old"):
        folder = tmp_path / name
        if name == "old":
            folder.mkdir(mode=0o755)
        assert private_folder(folder).stat().st_mode & 0o777 == 0o700


def test_a_users_file_may_hold_digests(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    write_users(file, [User("a", "reader", password_sha256=digest_of("a long password"))])
    assert read_users(file, {}).authenticate("a", "a long password").role == "reader"
    assert b"long" not in file.read_bytes()
    write_users(file, [User("a", "reader", password_sha256="abc")])
    with pytest.raises(BadUsers, match="64 hexadecimal"):
        read_users(file, {})
    write_users(file, [User("a", "reader", "x", settings={"additional_table_filters": "{}"})])
    with pytest.raises(BadUsers, match="protects no rows"):
        read_users(file, {})


def test_users_whose_passwords_can_be_guessed_are_named(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    write_users(
        file, [User("a", "reader", "x" * 11), User("b", "reader", "x" * 12), User("c", "reader", password_sha256=digest_of("x"))]
    )
    assert read_users(file, {}).weak == ["a"]


def test_passwords_that_stood_in_the_users_file_are_moved_out_and_stay(tmp_path: Path) -> None:
    server = ClickHouseProcess(private_folder(tmp_path / "store"), port=1)
    write_users(server.users_file, [User(WRITER, "writer", "w" * 20), User(READER, "reader", "r" * 20)])
    for _ in range(2):
        server._make_users()
        assert (server.password(WRITER), server.password(READER)) == ("w" * 20, "r" * 20)
        assert b"wwww" not in server.users_file.read_bytes()
        assert read_users(server.users_file, {}).authenticate(READER, "r" * 20).role == "reader"
    server.users_file.unlink()
    server._make_users()
    assert read_users(server.users_file, {}).authenticate(WRITER, "w" * 20).role == "writer"
    assert server.passwords_file.stat().st_mode & 0o777 == 0o600
    assert not server.passwords_file.is_relative_to(server.folder)


@pytest.mark.integration
def test_a_confined_process_has_what_it_was_left_and_nothing_else(tmp_path: Path) -> None:
    for name in ("read", "write", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    script = f"""
import socket, sys
from pathlib import Path
from zonepulse.streams.embedded.processes import landlock
root = Path({str(tmp_path)!r})
version = landlock.confine([root / "read", root / "missing"], [root / "write"])
def tried(act):
    try:
        act()
    except PermissionError:
        return "refused"
    except OSError as error:
        return type(error).__name__
    return "done"
(listening := socket.socket()).bind(("127.0.0.1", 0)); listening.listen()
print(version, *[tried(act) for act in (
    lambda: (root / "read/file").read_text(), lambda: (root / "write/file").read_text(), lambda: (root / "other/file").read_text(),
    lambda: (root / "read/new").write_text("x"), lambda: (root / "write/new").write_text("x"), lambda: (root / "other/new").write_text("x"),
    lambda: (root / "write/file").rename(root / "other/moved"), lambda: (root / "write/file").unlink(),
    lambda: socket.create_connection(listening.getsockname()),
)])
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert int(told[0]) == landlock.version()
    if landlock.version():
        moved = "OSError" if told[7] == "OSError" else "refused"
        connect = "refused" if landlock.version() >= 4 else "done"
        assert told[1:] == ["done", "done", "refused", "refused", "done", "refused", moved, "done", connect]
    else:
        assert told[1:] == ["done"] * 9
