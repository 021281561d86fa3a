"""The embedded stack: started, migrated, supervised and stopped as one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError
from patience import patience_s

from zonepulse.streams.clickhouse import migrations
from zonepulse.streams.clickhouse.migrations import Migration, MigrationError, read_migrations
from zonepulse.streams.embedded.processes.process import ChildProcess, PortTaken, ProcessDied, is_listening
from zonepulse.streams.embedded.processes.supervisor import Restart, Supervisor
from zonepulse.streams.embedded.stack import Stack

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack() as stack:
        yield stack


def wait_until(holds: Callable[[], bool], timeout_s: float = 15) -> None:
    deadline = time.monotonic() + patience_s(timeout_s)
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def sleeper(name: str, log: Path, seconds: str = "60") -> ChildProcess:
    return ChildProcess(name, [sys.executable, "-c", f"import time; print('last words', flush=True); time.sleep({seconds})"], log)


# Migrations


def test_the_deployed_migrations_are_applied_and_recorded(stack: Stack) -> None:
    deployed = migrations.deployed_migrations()
    assert stack.applied == [migration.name for migration in deployed]
    with stack.client() as client:
        recorded = client.query("SELECT number, name, checksum FROM schema_migrations ORDER BY number").result_rows
        assert recorded == [(m.number, m.name, m.checksum) for m in deployed]
        assert migrations.apply(client) == []


def test_a_changed_missing_or_failing_migration_is_an_error(stack: Stack) -> None:
    deployed = migrations.deployed_migrations()
    following = len(deployed) + 1
    with stack.client() as client:
        changed = [Migration(deployed[0].number, deployed[0].name, deployed[0].sql + "\nSELECT 1;"), *deployed[1:]]
        with pytest.raises(MigrationError, match=r"0001_.*changed after it was applied"):
            migrations.apply(client, changed)
        with pytest.raises(MigrationError, match="its file is missing"):
            migrations.apply(client, [])
        failing = Migration(following, f"{following:04d}_fails.sql", "SELECT 1;\nSELECT * FROM zonepulse.nowhere;")
        with pytest.raises(MigrationError, match=r"_fails\.sql, statement 2"):
            migrations.apply(client, [*deployed, failing])
        assert migrations.apply(client) == []


def test_migration_files_have_no_gaps_duplicates_or_odd_names(tmp_path: Path) -> None:
    (tmp_path / "0001_first.sql").write_text("SELECT 1")
    (tmp_path / "0002_second.sql").write_text("SELECT 2")
    (tmp_path / "readme.md").write_text("not one")
    assert [m.name for m in read_migrations(tmp_path)] == ["0001_first.sql", "0002_second.sql"]
    (tmp_path / "0004_fourth.sql").write_text("SELECT 4")
    with pytest.raises(MigrationError, match=r"0004_fourth\.sql: its number must be 0003"):
        read_migrations(tmp_path)
    (tmp_path / "0004_fourth.sql").rename(tmp_path / "0002_again.sql")
    with pytest.raises(MigrationError, match=r"0002_second\.sql: its number must be 0003"):
        read_migrations(tmp_path)
    (tmp_path / "0002_again.sql").rename(tmp_path / "third.sql")
    with pytest.raises(MigrationError, match="NNNN_what"):
        read_migrations(tmp_path)


def test_a_file_is_split_at_semicolons_outside_strings_names_and_comments() -> None:
    sql = "-- a; b\nSELECT ';''\\';' AS `x;y`, 1 - 1; /* c; */ SELECT 6/2;\n;\nSELECT 3 -- no end"
    assert migrations.statements(sql) == ["SELECT ';''\\';' AS `x;y`, 1 - 1", "SELECT 6/2", "SELECT 3"]


# Access


def test_the_dashboard_user_reads_and_does_not_write(stack: Stack) -> None:
    with stack.client(stack.dashboard) as client:
        assert client.query("SELECT count() FROM intervals_final").result_rows == [(0,)]
        with pytest.raises(Exception, match="code: 164"):
            client.command("TRUNCATE TABLE intervals")


def test_passwords_are_random_kept_closed_and_not_shown(stack: Stack) -> None:
    assert stack.clickhouse.password != stack.dashboard.password
    assert len(stack.clickhouse.password) > 20
    assert stack.clickhouse.password not in repr(stack.clickhouse)
    assert stack.clickhouse_process.users_file.stat().st_mode & 0o777 == 0o600


# Supervision


def test_a_worker_gets_the_addresses_and_its_end_is_reported_with_its_last_words(stack: Stack) -> None:
    words = (
        "import os, sys; print(os.environ['ZONEPULSE_BROKER'], os.environ['ZONEPULSE_CLICKHOUSE_PORT'], flush=True); sys.exit(3)"
    )
    worker = stack.supervise("worker", [sys.executable, "-c", words])
    wait_until(lambda: any(death.name == "worker" for death in stack.supervisor.deaths))
    death = stack.supervisor.deaths[0]
    assert (death.exit_code, death.tail) == (3, f"{stack.kafka} {stack.clickhouse.port}")
    with pytest.raises(ProcessDied, match="worker ended with exit code 3"):
        stack.check()
    stack.supervisor.forget(worker)
    stack.supervisor.deaths.clear()


def test_a_killed_broker_is_reported_and_can_be_started_again(stack: Stack) -> None:
    os.kill(stack.broker.pid, signal.SIGKILL)
    wait_until(lambda: bool(stack.supervisor.deaths))
    assert "Kafka broker ended with signal SIGKILL" in str(stack.supervisor.deaths[0])
    stack.broker.start()
    stack.supervisor.deaths.clear()
    time.sleep(0.5)
    stack.check()


def test_a_server_that_dies_is_started_again_on_its_port_with_its_data(tmp_path: Path) -> None:
    with Stack(tmp_path, restart_servers=Restart(first_s=0.2)) as stack:
        ports = stack.broker.port, stack.clickhouse.port
        for server in (stack.broker, stack.clickhouse_process):
            dead = server.pid
            os.kill(dead, signal.SIGKILL)
            wait_until(lambda server=server, dead=dead: server.pid != dead and is_listening(server.port), 60)  # type: ignore[misc]
        wait_until(lambda: answers(stack), 60)
        assert [death.name for death in stack.supervisor.deaths] == ["Kafka broker", "ClickHouse endpoint"]
    with Stack(tmp_path) as again:
        assert (again.broker.port, again.clickhouse.port) == ports
        assert again.applied == []


def answers(stack: Stack) -> bool:
    try:
        with stack.client() as client:
            return bool(client.query("SELECT count() > 0 FROM schema_migrations").first_row[0])
    except ClickHouseError:
        return False


def test_a_start_that_fails_is_tried_again_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    supervisor, tried = Supervisor(), list[float]()
    child = sleeper("server", tmp_path / "log", "0")

    def launch() -> None:
        tried.append(time.monotonic())
        if len(tried) < 3:
            raise PortTaken("port 1 is in use")
        child.start()

    child.start()
    supervisor.watch(child, Restart(first_s=0.1, longest_s=0.4), launch)
    wait_until(lambda: len(supervisor.deaths) == 2)
    assert tried[1] - tried[0] >= 0.15 and tried[2] - tried[1] >= 0.35
    assert "server cannot be started again: port 1 is in use" in caplog.text
    supervisor.stop()
    child.stop()


def test_a_stall_is_no_health(tmp_path: Path) -> None:
    supervisor = Supervisor()
    child = ChildProcess("stalls", [sys.executable, "-c", "import time; time.sleep(0.3); raise SystemExit(3)"], tmp_path / "log")
    child.start()
    supervisor.watch(child, Restart(first_s=0.1, longest_s=30.0, healthy_s=0.2))
    begun = time.monotonic()
    wait_until(lambda: len(supervisor.deaths) >= 4)
    assert time.monotonic() - begun >= 4 * 0.3 + 0.1 + 0.2 + 0.4
    supervisor.stop()
    child.stop()


def test_a_child_with_a_policy_is_started_again_more_and_more_slowly(tmp_path: Path) -> None:
    reported: list[ProcessDied] = []
    supervisor = Supervisor(reported.append)
    child = sleeper("short", tmp_path / "log", "0")
    child.start()
    supervisor.watch(child, Restart(first_s=0.2, longest_s=0.5, healthy_s=30))
    started = time.monotonic()
    wait_until(lambda: len(reported) >= 4)
    assert time.monotonic() - started >= 0.2 + 0.4 + 0.5
    assert len({death.tail for death in reported}) == 4
    supervisor.stop()
    child.stop()


def test_a_child_that_ignores_the_request_to_end_is_ended(tmp_path: Path) -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
    child = ChildProcess("stubborn", [sys.executable, "-c", stubborn], tmp_path / "log")
    child.start()
    child.wait_ready(lambda: "on" in child.log_tail(), 10)
    assert child.stop(timeout_s=0.3) == -signal.SIGKILL


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        ChildProcess("x", ["no-such-program"], tmp_path / "log").start()


# Ends

OWNER = """
import sys, time
from pathlib import Path
from zonepulse.streams.embedded.stack import Stack
with Stack(Path(sys.argv[1]) if sys.argv[1] else None) as stack:
    stack.supervise("extra", [sys.executable, "-c", "import time; time.sleep(600)"])
    print(stack.broker.pid, stack.clickhouse_process.pid, stack.folder, flush=True)
    time.sleep(600)
"""


def own(folder: str) -> "tuple[subprocess.Popen[str], list[psutil.Process], Path]":
    """A process with a stack of its own; it, its children and its folder."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER, folder], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    told = owner.stdout.readline().split()
    owner.stdout.close()
    children = psutil.Process(owner.pid).children(recursive=True)
    assert {int(pid) for pid in told[:2]} <= {child.pid for child in children}
    assert len(children) == 3
    return owner, children, Path(told[2])


@pytest.mark.parametrize(
    ("signals", "code"),
    [
        ((signal.SIGTERM,), 143),
        pytest.param((signal.SIGHUP,), 129, marks=pytest.mark.soak),
        pytest.param((signal.SIGINT,), -signal.SIGINT, marks=pytest.mark.soak),
        ((signal.SIGINT,) * 4 + (signal.SIGHUP, signal.SIGTERM), -signal.SIGINT),
    ],
    ids=["term", "hup", "ctrl-c", "all of them"],
)
def test_a_stack_that_is_told_to_end_leaves_nothing(signals: tuple[signal.Signals, ...], code: int) -> None:
    owner, children, folder = own("")
    for number in signals:
        owner.send_signal(number)
        time.sleep(0.02)
    assert owner.wait(patience_s(30)) == code
    assert not any(child.is_running() for child in children)
    assert not folder.exists()


def test_ctrl_c_is_heeded_where_a_background_shell_left_it_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # what a child inherits from `command &` in a script
    try:
        owner, children, folder = own("")
    finally:
        signal.signal(signal.SIGINT, before)
    owner.send_signal(signal.SIGINT)
    assert owner.wait(patience_s(30)) == -signal.SIGINT
    assert not any(child.is_running() for child in children)
    assert not folder.exists()


def test_a_killed_stack_leaves_no_process_and_its_folder_serves_again(tmp_path: Path) -> None:
    owner, children, folder = own(str(tmp_path / "kept"))
    owner.kill()
    owner.wait()
    wait_until(lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children))
    assert [path for path in folder.iterdir() if path.stat().st_mode & 0o077] == [], "open to others: what is within is not"
    with Stack(folder) as again:
        assert again.applied == []
        with again.client() as client:
            assert client.query("SELECT count() > 0 FROM schema_migrations").result_rows == [(True,)]
    assert folder.exists()


def test_an_exception_inside_stops_everything() -> None:
    pids: list[int] = []
    with pytest.raises(ZeroDivisionError), Stack() as stack:
        pids += [stack.broker.pid, stack.clickhouse_process.pid]
        raise ZeroDivisionError
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert not stack.folder.exists()
