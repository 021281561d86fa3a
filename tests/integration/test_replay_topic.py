"""Runs of the topic: the same rows as the live tasks', other rows where a factor is other, and nothing of the live ledger touched."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import commands
import pytest
from zone_runs import SampleRun, sample_run, wait_until_complete

from zonepulse.schemas.tables.results import FINAL_TABLES

pytestmark = [pytest.mark.integration, pytest.mark.long]
UNTIL_MS = 1_772_000_000_000 // 86_400_000 * 86_400_000
FROM, TO = "2026-02-23", "2026-02-25"
OWN = """
  - {id: tea-own, activity: grid_electricity, company: tea-house, value: 0.9, unit: kgCO2/kWh, source: test, valid_from: 2020-01-01}
"""


@pytest.fixture(scope="module")
def live() -> Iterator[SampleRun]:
    """Two days of the sample zone, all the way to the store."""
    with sample_run(UNTIL_MS, 2, 86_400 / 4) as run:
        wait_until_complete(run.stack, run.feed.zone, run.feed.end_ms, 300)
        yield run


@pytest.fixture(scope="module")
def day(live: SampleRun) -> Any:
    """A run of the second day."""
    return planned_and_run(live, "day", stretch=("2026-02-24", "2026-02-25"))


def zonepulse(live: SampleRun, *arguments: str, code: int = 0) -> Any:
    done = commands.run("replay", *arguments, "--json", env=live.stack.worker_environment)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if done.stdout else done.stderr


def planned_and_run(live: SampleRun, name: str, *options: str, stretch: tuple[str, str] = (FROM, TO)) -> Any:
    zonepulse(live, "plan", "--from", stretch[0], "--to", stretch[1], "--run", name, *options)
    return zonepulse(live, "run", name)


def test_a_run_of_the_whole_log_has_the_live_rows_bit_for_bit(live: SampleRun) -> None:
    before = {table: live.rows(table) for table in FINAL_TABLES}
    result = planned_and_run(live, "same")
    assert result["tables"]["totals"]["rows"] > 1000
    found = zonepulse(live, "diff", "live", "same")
    assert [t["rows"][0] for t in found["tables"]] == [t["rows"][1] for t in found["tables"]]
    assert found["differences"] == 0
    assert {table: live.rows(table) for table in before} == before


def test_a_run_again_has_the_same_digests_and_writes_no_row_twice(live: SampleRun, day: Any) -> None:
    again = zonepulse(live, "run", "day", "--rate", "2000")
    assert again["tables"] == day["tables"]
    assert again["seconds"] >= again["records"] / 2000, "a limit to its rate"


def test_a_plan_says_who_made_it_and_how_long_it_will_take(live: SampleRun, day: Any) -> None:
    made = zonepulse(live, "plan", "--from", FROM, "--to", TO, "--run", "estimated")
    assert "@" in made["who"] and made["program"].startswith("zonepulse ")
    assert made["seconds"] > 0 and day["records_per_s"] > 0


def test_a_run_shared_out_to_processes_has_the_digests_of_one(live: SampleRun, day: Any) -> None:
    found = zonepulse(live, "run", "day", "--processes", "3")
    assert found["tables"] == day["tables"]
    assert found["records_before"] == 0, "it was over: it begins anew"


def killed(live: SampleRun, name: str, checkpoint: int, whom: str, processes: int) -> None:
    script = Path(__file__).with_name("killed_replay.py")
    command = [sys.executable, str(script), str(checkpoint), whom, "replay", "run", name, "--processes", str(processes)]
    done = subprocess.run([*command, "--checkpoint-s", "0"], env=live.stack.worker_environment, capture_output=True, text=True)
    assert done.returncode == (1 if whom == "a process" else -signal.SIGKILL), done.stderr
    assert whom == "the run" or "was killed: run it again, it goes on from its last checkpoint" in done.stderr


@pytest.mark.parametrize(
    ("whom", "processes", "kills"),
    [
        pytest.param("the run", 1, 2, marks=pytest.mark.soak),
        ("the run", 3, 1),
        pytest.param("a process", 3, 1, marks=pytest.mark.soak),
    ],
)
def test_a_run_that_is_killed_goes_on_from_its_checkpoint_with_the_rows_of_one_that_was_not(
    live: SampleRun, day: Any, whom: str, processes: int, kills: int
) -> None:
    name = f"killed-{whom.split()[1]}-{processes}"
    zonepulse(live, "plan", "--from", "2026-02-24", "--to", "2026-02-25", "--run", name)
    for _ in range(kills):
        killed(live, name, 2, whom, processes)
    live.client.command(
        f"INSERT INTO totals SELECT * REPLACE ('{name}' AS run, 'left behind' AS entity) FROM totals t WHERE t.run = 'day' LIMIT 10"
    )
    found = zonepulse(live, "run", name, "--processes", str(4 - processes))
    assert 0 < found["records_before"] < found["records"]
    assert found["tables"] == day["tables"]


@pytest.mark.soak
def test_a_killed_run_that_takes_late_readings_in_goes_on_with_those_that_are_left(live: SampleRun) -> None:
    whole = planned_and_run(live, "late-whole", "--include-late")
    zonepulse(live, "plan", "--from", FROM, "--to", TO, "--run", "late-killed", "--include-late")
    killed(live, "late-killed", 3, "the run", 1)
    found = zonepulse(live, "run", "late-killed")
    assert found["records_before"] > 0 and found["tables"] == whole["tables"]


def test_a_run_whose_checkpoint_is_damaged_begins_anew(live: SampleRun, day: Any) -> None:
    zonepulse(live, "plan", "--from", "2026-02-24", "--to", "2026-02-25", "--run", "damaged")
    killed(live, "damaged", 4, "the run", 1)
    rows = next((Path(live.stack.worker_environment["ZONEPULSE_DATA_DIR"]) / "replay" / "damaged").glob("rows-*.arrow"))
    rows.write_bytes(rows.read_bytes()[:-1])
    found = zonepulse(live, "run", "damaged")
    assert (found["records_before"], found["tables"]) == (0, day["tables"])


def test_late_readings_are_taken_in_and_change_the_registers_that_sent_them(live: SampleRun) -> None:
    letters = "SELECT count() FROM dead_letters_final WHERE run = 'live' AND reason = 'late'"
    late = live.client.query(letters).first_row[0]
    planned_and_run(live, "late", "--include-late")
    found = {t["name"]: t for t in zonepulse(live, "diff", "live", "late", code=1)["tables"]}
    assert found["dead_letters"]["rows"][0] == found["dead_letters"]["rows"][1]
    assert [found["dead_letters"][kind] for kind in ("only_a", "only_b", "changed", "revised")] == [0] * 4
    changed = {(day["who"], day["day"]) for day in found["intervals"]["days"]}
    assert {cause for table in found.values() for told in table["causes"] for cause in told["causes"]} == {"readings"}
    assert 0 < len(changed) <= 2 * late, "a late reading touches the windows beside it, which may be those of two days"


def test_another_factor_changes_exactly_the_rows_that_it_must(live: SampleRun, tmp_path: Path) -> None:
    assert live.zone_yaml.count("\nfactors:\n") == 1
    other = tmp_path / "zone.yaml"
    other.write_text(live.zone_yaml.replace("\nfactors:\n", f"\nfactors:{OWN}", 1), "utf-8")
    planned_and_run(live, "what-if", "--registry", str(other))
    found = zonepulse(live, "diff", "live", "what-if", code=1)
    tables = {t["name"]: t for t in found["tables"]}
    unchanged = ("only_a", "only_b", "changed", "revised")
    assert [tables[name][kind] for name in ("intervals", "dead_letters") for kind in unchanged] == [0] * 8
    changed = live.client.query(
        "SELECT DISTINCT a.company FROM emissions_final a JOIN emissions_final b"
        " USING (zone, company, meter, register, start, scope, basis) WHERE a.run = 'live' AND b.run = 'what-if'"
        " AND a.co2e_mg != b.co2e_mg"
    ).result_rows
    assert [row[0] for row in changed] == ["tea-house"]
    assert {day["who"] for day in tables["emissions"]["days"]} == {"tea-house"}
    assert {cause for table in tables.values() for told in table["causes"] for cause in told["causes"]} == {"factors"}
    assert tables["emissions"]["first"][0]["differs"].keys() <= {"co2e_mg", "factor_id", "rung", "revision"}


def test_a_past_hour_is_verified_and_a_forged_row_is_found(live: SampleRun) -> None:
    hour = "2026-02-24T10:00:00+08:00"
    assert zonepulse(live, "verify", "--hour", hour)["differences"] == 0
    live.client.command(
        "INSERT INTO totals SELECT * REPLACE ('forged' AS entity) FROM totals_final"
        " WHERE run = 'live' AND start >= '2026-02-24 02:00:00' AND start < '2026-02-24 03:00:00' LIMIT 1"
    )
    try:
        found = zonepulse(live, "verify", "--hour", hour, code=1)
        assert found["differences"] == 1
        assert [told["causes"] for table in found["tables"] for told in table["causes"]] == [["readings"]], (
            "of a run whose log has no end yet"
        )
    finally:
        live.client.command("ALTER TABLE totals DELETE WHERE entity = 'forged' SETTINGS mutations_sync = 1")


def test_a_discarded_run_leaves_nothing_and_the_live_one_cannot_be_discarded(live: SampleRun) -> None:
    zonepulse(live, "plan", "--from", FROM, "--to", TO, "--run", "gone")
    count = "SELECT count() FROM totals WHERE run = 'gone'"
    live.client.command("INSERT INTO totals SELECT * REPLACE ('gone' AS run) FROM totals t WHERE t.run = 'live' LIMIT 100")
    assert live.client.query(count).first_row[0] == 100
    commands.run("replay", "discard", "gone", env=live.stack.worker_environment).check_returncode()
    assert live.client.query(count).first_row[0] == 0
    done = commands.run("replay", "discard", "live", env=live.stack.worker_environment)
    assert done.returncode == 1 and "'live' is not in the store" in done.stderr


@pytest.mark.usefixtures("day")
def test_a_stretch_that_may_still_be_revised_is_not_promoted(live: SampleRun) -> None:
    done = commands.run("replay", "promote", "day", env=live.stack.worker_environment)
    assert done.returncode == 1 and "approximate" in done.stderr and "can still revise" in done.stderr


def test_what_is_asked_wrongly_is_told(live: SampleRun) -> None:
    assert "is not before" in zonepulse(live, "plan", "--from", TO, "--to", FROM, code=2)
    assert "known:" in zonepulse(live, "run", "nobody", code=1)
    assert "write a date" in zonepulse(live, "plan", "--from", FROM, "--to", TO, "--factors-as-of", "2024", code=2)
