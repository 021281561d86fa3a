"""The runner of case files: the shipped suite passes, others are judged by the same rules, and nothing in a case is overlooked."""

import importlib
import json
import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
CASES = ROOT / "tests" / "cases"
SHIPPED = json.loads((CASES / "vee_cases.json").read_text(encoding="utf-8"))["cases"]
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs cases from a folder of their own, or the shipped ones; returns exit status and output."""
    monkeypatch.syspath_prepend(str(CASES))
    main = importlib.import_module("run").main

    def judge(*cases: object, text: str | None = None) -> tuple[int, str]:
        if cases or text is not None:
            content = text if text is not None else json.dumps({"schema_version": 1, "cases": list(cases)})
            (tmp_path / "vee_cases.json").write_text(content, encoding="utf-8")
        status = main([str(tmp_path)] if cases or text is not None else [])
        return status, capsys.readouterr().out

    return judge


def case(group: str, given: dict[str, Any], expected: dict[str, Any], **params: Any) -> dict[str, Any]:
    return {"id": f"MY-{group}", "group": group, "title": "my own", "params": params, "input": given, "expected": expected}


def at(minutes: int) -> str:
    return f"2026-03-04T{8 + minutes // 60:02d}:{minutes % 60:02d}:00+08:00"


def readings(*values: float) -> list[list[Any]]:
    return [[at(15 * i), value] for i, value in enumerate(values)]


def record(minutes: int, value: float, **more: Any) -> dict[str, Any]:
    return {"meter": "M1", "register": "1-0:1.8.0", "ts": at(minutes), "value": value, **more}


BOUNDED = {"p_max_kw": 10.0, "modulus": 1e6, "n_confirm": 3}
DAY = {"date": "2026-02-25", "values": [1.0, 2.0], "quality": "ACTUAL", "outage": False}
OWN = {
    "garbage beyond every range": case(
        "transient_zero",
        {"readings": readings(12000.0, 1.83e21, 12001.5)},
        {"sample_quality": ["GOOD", "BAD", "GOOD"], "total": 1.5, "baseline_after": 12001.5},
        **BOUNDED,
    ),
    "garbage within range": case(
        "transient_zero",
        {"readings": readings(12000.0, 1.83e8, 12001.5)},
        {"delta_on_recovery": 1.5, "alert": "register_held"},
        **BOUNDED,
    ),
    "two low readings": case(
        "meter_swap",
        {"readings": readings(5425.0, 3.0, 3.4)},
        {"outcome": "pending", "delta": None, "baseline_after": 5425.0, "sample_quality": ["GOOD", "BAD", "BAD"]},
        **BOUNDED,
    ),
    "two of two low readings": case(
        "meter_swap",
        {"readings": readings(5425.0, 3.0, 3.4)},
        {"outcome": "new_segment", "deltas_in_new_segment": [0.4], "segment_starts_at": "2026-03-04T00:15:00Z"},
        **BOUNDED | {"n_confirm": 2},
    ),
    "low readings that fall again": case(
        "meter_swap", {"readings": readings(5425.0, 3.0, 2.0, 2.1)}, {"outcome": "pending"}, **BOUNDED
    ),
    "three steps back": case("meter_swap", {"readings": readings(1200.0, 1199.2)}, {"outcome": "blocked", "drop": 0.8}, **BOUNDED),
    "a recorded swap between other readings": case(
        "meter_swap",
        {"readings": readings(100.0, 101.0, 7.5), "swap": {"ts": at(20), "final_reading_old": 101.5, "start_reading_new": 7.0}},
        {"outcome": "new_segment", "slot_energy": 2.0, "parts": [1.5, 0.5]},
    ),
    "a rollover after a standstill": case(
        "rollover",
        {"readings": readings(999_998.0, 999_998.0, 0.0)},
        {"outcome": "rollover", "delta": 2.0, "bound": 5.0},
        **BOUNDED,
    ),
    "a small step back": case(
        "rollover",
        {"prev": {"ts": at(0), "value": 500.0}, "cur": {"ts": at(15), "value": 499.0}, "unit": "MWh"},
        {"outcome": "suspect_drop", "bound": 0.0025},
        **BOUNDED,
    ),
    "back-feed over several readings": case(
        "meter_swap",
        {"import_register": [7.0, 8.0, 8.0], "export_register": [1.0, 1.0, 4.5]},
        {"outcome": "valid", "net_kwh": -2.5},
    ),
    "a lower seq comes later": case(
        "duplicate",
        {"records": [record(0, 5.0, seq=2), record(0, 6.0, seq=1)]},
        {"value": 5.0, "revision": 1, "events": ["inserted", "ignored"]},
    ),
    "an older key is corrected": case(
        "duplicate",
        {"records": [record(15, 6.0), record(0, 5.0), record(15, 6.5)]},
        {"stored_rows": 2, "value": 6.5, "revision": 2, "events": ["inserted", "inserted", "corrected"]},
    ),
    "seq is part of the key": case(
        "duplicate",
        {"records": [record(0, 5.0, seq=1), record(0, 6.0, seq=2)]},
        {"stored_rows": 2, "events": ["inserted", "inserted"]},
        key=["meter", "register", "ts", "seq"],
    ),
    "later than allowed": case(
        "late_data",
        {"on_time": [*readings(100.0), [at(30), 112.0]], "late": {"reading": [at(15), 105.0], "received": at(136)}},
        {"outcome": "late", "after": {at(0): {"kwh": 6.0, "quality": "ESTIMATED", "revision": 1}}, "total_unchanged": 12.0},
        slot_min=15,
        allowed_lateness_min=120,
    ),
    "as late as allowed": case(
        "late_data",
        {"on_time": [*readings(100.0), [at(30), 112.0]], "late": {"reading": [at(15), 105.0], "received": at(135)}},
        {"after": {at(15): {"kwh": 7.0, "quality": "ACTUAL", "revision": 2}}, "total_unchanged": 12.0},
        slot_min=15,
        allowed_lateness_min=120,
    ),
    "an hour's energy too far off its hour": case(
        "late_data",
        {"reading": {"measured_for": at(62), "received": at(63)}},
        {"outcome": "off_grid", "slot_start": None},
        slot_min=60,
    ),
    "an estimate stands beside what was not measured": case(
        "late_data",
        {"readings": [[at(0), 1.0], [at(45), 4.0]], "query_slot": at(15)},
        {"measured": None, "estimate": 1.0},
        slot_min=15,
    ),
    "a clock beyond correction": case("clock", {"offset_s": -901}, {"outcome": "investigate"}, rule="Elexon"),
    "another clock rule": case("clock", {"offset_s": 8}, {"outcome": "fail"}, rule="AEMO", fail_above_s=7),
    "a third-highest of zero": case("spike", {"values": [0, 0, 0, 9, 40]}, {"outcome": "fail", "third_highest": 0, "ratio": None}),
    "a third-highest of zero by another rule": case("spike", {"values": [0, 0, 40]}, {"outcome": "skipped"}, third_zero="skipped"),
    "power failure at an end": case(
        "gap",
        {"before": 1.0, "missing": 2, "after": 4.0, "power_failure_at_end": True},
        {"method": None, "values": [None, None], "sum": None, "quality": "MISSING"},
    ),
    "power failure at an end with a like day": case(
        "gap",
        {"date": "2026-03-04", "before": 1.0, "missing": 2, "after": 4.0, "power_failure_at_end": True, "like_days": [DAY]},
        {"method": "like_day", "values": [1.0, 2.0], "used_days": ["2026-02-25"]},
    ),
    "partial days": case(
        "gap",
        {
            "date": "2026-03-04",
            "missing": 2,
            "like_days": [{**DAY, "values": [1.0]}, {**DAY, "values": [1.0, None]}, {**DAY, "partial": True}],
        },
        {"method": None, "used_days": []},
    ),
    "like days scaled to the register": case(
        "gap",
        {"date": "2026-03-04", "missing": 2, "register_advance": 9.0, "like_days": [DAY]},
        {"method": "like_day_scaled", "values": [3.0, 6.0], "sum": 9.0, "unscaled": [1.0, 2.0]},
    ),
    "days elsewhere": case("gap", {"days": [["Australia/Lord_Howe", "2026-10-04"]]}, {"expected_intervals": [47]}, slot_min=30),
    "few estimates": case("gap", {"expected_slots": 100, "estimated_slots": 10}, {"share": 0.1, "outcome": "pass"}),
    "a transformer ratio of 80": case(
        "unit_mixup", {"history_daily": 30.0, "new_daily": 2400.0}, {"outcome": "suspect", "matched": 80}
    ),
    "no level to compare": case("unit_mixup", {"history_daily": 0, "new_daily": 1.0}, {"outcome": "skipped", "log10_ratio": None}),
    "a flat register under power": case(
        "stuck", {"signal": "register", "values": [5.0] * 6, "power_kw": [1.0] * 6}, {"outcome": "stuck"}, window=6, rtol=1e-5
    ),
    "a sum below": case(
        "sum_check", {"interval_sum": 900.0, "register_advance": 1000.0}, {"outcome": "fail", "difference": 100.0}, multiplier=40
    ),
    "a sum by share": case(
        "sum_check", {"interval_sum": 1004.0, "register_advance": 1000.0}, {"outcome": "pass", "limit": 7.0}, max_share=0.007
    ),
    "far below last year": case("high_low", {"current": 70.0, "reference": 100.0}, {"outcome": "fail"}),
    "reactive pulses with energy": case("kvarh", {"kwh": 1.0, "kvarh_pulses": 9}, {"outcome": "pass"}),
    "above capacity": case("max_energy", {"capacity_kwh": 100.0, "interval_kwh": 121.0}, {"outcome": "estimate"}),
}


def test_every_shipped_case_passes(run: Run) -> None:
    status, out = run()
    networks = json.loads((CASES / "flow_tracing_cases.json").read_text(encoding="utf-8"))["cases"]
    folders = list((CASES / "field").glob("*/expected.json"))
    assert out.splitlines()[-1] == f"{len(SHIPPED) + len(networks) + len(folders)} passed, 0 failed"
    assert status == 0


@pytest.mark.large
def test_every_case_says_whether_workers_run_what_it_judges(run: Run) -> None:
    _, out = run()
    said = dict(re.findall(r"^ok +(\S+) +runs: (.*)$", out, flags=re.MULTILINE))
    assert {case["id"] for case in SHIPPED} <= said.keys()
    workers = [
        p for folder in ("processors", "streams") for p in (ROOT / folder).rglob("*.py") if p.stem not in ("quality", "estimation")
    ]
    imports = r"import (quality|estimation)|processors\.(quality|estimation) import"
    assert [p.name for p in workers if re.search(imports, p.read_text("utf-8"))] == [], (
        "these checks are live now: say so in vee.py"
    )
    for case in SHIPPED:
        is_live = case["group"] in ("rollover", "transient_zero", "meter_swap", "duplicate", "late_data")
        assert (said[case["id"]] == "live core") is is_live
        assert said[case["id"]] != "replay only" or case["id"].startswith("GAP-")
    counts = re.search(r"^runs: (\d+) live core, (\d+) not live yet: function only, (\d+) replay only$", out, flags=re.MULTILINE)
    assert counts is not None
    assert [int(n) for n in counts.groups()] == [
        list(said.values()).count(runs) for runs in ("live core", "not live yet: function only", "replay only")
    ]


def test_cases_of_others_are_judged_by_the_same_rules(run: Run) -> None:
    status, out = run(*({**own, "title": title} for title, own in OWN.items()))
    assert out.splitlines()[-1] == f"{len(OWN)} passed, 0 failed"
    assert status == 0


@pytest.mark.large
def test_no_expectation_of_a_shipped_case_is_overlooked(run: Run) -> None:
    other = []
    for shipped in SHIPPED:
        for key in shipped["expected"]:
            if not key.startswith(("wrong_answers", "must_not_be", "naive_wrong")):
                other.append(deepcopy(shipped) | {"id": f"{shipped['id']} {key}"})
                other[-1]["expected"][key] = "something else"
    status, out = run(*other)
    assert out.splitlines()[-1] == f"0 passed, {len(other)} failed"
    assert status == 1


@pytest.mark.parametrize("name", ["wrong_answers", "must_not_be", "naive_wrong_delta"])
@pytest.mark.parametrize("forbidden", [35.9375, {"35.9375": "for a reason"}, [0, 35.9375]])
def test_a_value_that_must_not_come_out_fails_the_case_when_it_does(run: Run, name: str, forbidden: object) -> None:
    rollover = deepcopy(SHIPPED[0])
    rollover["expected"][name] = forbidden
    status, out = run(rollover)
    assert status == 1
    assert f"got 35.9375 for delta: forbidden by {name}" in out


def test_a_failing_case_shows_id_title_expected_and_got(run: Run) -> None:
    status, out = run(case("clock", {"offset_s": 181}, {"outcome": "pass"}), case("clock", {"offset_s": 0}, {"outcome": "pass"}))
    assert out.splitlines()[out.splitlines().index("FAILED MY-clock: my own") :] == [
        "FAILED MY-clock: my own",
        "  outcome",
        '    expected "pass"',
        '    got      "fail"',
        "1 passed, 1 failed",
    ]
    assert status == 1


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (case("tides", {"x": 1}, {"outcome": "pass"}), "group 'tides' is not known"),
        (case("clock", {"offset_s": 1}, {"outcome": "pass", "mood": "good"}), "does not know the key"),
        (case("clock", {}, {"outcome": "pass"}), "the case lacks 'offset_s'"),
        (case("clock", {"offset_s": 1}, {"outcome": "pass"}, rule="AEMO"), "give fail_above_s"),
        (case("clock", {"offset_s": 1}, {}), "not empty"),
        (case("spike", {"values": [0, 0, 40]}, {"outcome": "fail"}, third_zero="maybe"), "'maybe' is not a valid Outcome"),
        (case("transient_zero", {"readings": readings(1e30, 1.0)}, {"total": 1.0}), "no reading"),
        ("a case", "a case is an object"),
    ],
)
def test_a_case_that_cannot_be_judged_fails_and_says_why(run: Run, broken: object, message: str) -> None:
    status, out = run(broken, case("clock", {"offset_s": 1}, {"outcome": "pass"}))
    assert message in out
    assert out.splitlines()[-1] == "1 passed, 1 failed"
    assert status == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Expecting"),
        ("[]", "needs an object"),
        ('{"cases": []}', "not empty"),
        ('{"schema_version": 2, "cases": [1]}', "schema_version 2"),
    ],
)
def test_a_file_that_cannot_be_used_counts_as_a_failure(run: Run, text: str, message: str) -> None:
    status, out = run(text=text)
    assert message in out
    assert out.splitlines()[-1] == "0 passed, 1 failed"
    assert status == 1


def test_a_folder_without_case_files_is_an_error_and_other_suites_are_left_out_aloud(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tide_cases.json").write_text("{}")
    main = importlib.import_module("run").main
    assert main([str(tmp_path)]) == 1
    assert main([str(tmp_path / "nowhere")]) == 1
    assert "tide_cases.json: no suite of that name" in run(OWN["above capacity"])[1]
