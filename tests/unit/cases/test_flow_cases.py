"""The suite of networks: the shipped one passes, others in the same format do too, and nothing that a case expects is overlooked."""

import importlib
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

CASES = Path(__file__).parents[2] / "cases"
NAME = "flow_tracing_cases.json"
SHIPPED: list[dict[str, Any]] = json.loads((CASES / NAME).read_text(encoding="utf-8"))["cases"]
Run = Callable[..., list[str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs cases from a folder of their own; returns what was printed. The exit status agrees with the last line."""
    monkeypatch.syspath_prepend(str(CASES))
    main = importlib.import_module("run").main

    def judge(*cases: object, **document: Any) -> list[str]:
        (tmp_path / NAME).write_text(json.dumps({"schema_version": 1, "cases": cases} | document), encoding="utf-8")
        status = main([str(tmp_path)])
        lines: list[str] = capsys.readouterr().out.splitlines()
        assert (status == 0) == lines[-1].endswith(" 0 failed")
        return lines

    return judge


def grid(expected: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A source at A of 10 MW and 500 kg/MWh, a loop of B and C, half of what B gets is its own wind."""
    return {
        "id": "LOOP",
        "title": "names, a loop and a lonely node",
        "nodes": ["A", "B", "C", "lonely"],
        "generation": [{"node": "A", "p_mw": 10, "intensity_kg_per_mwh": 500}, {"node": "B", "p_mw": 10, "intensity_kg_per_mwh": 0}],
        "load": [{"node": "B", "p_mw": 16}, {"node": "C", "p_mw": 1.5}, {"node": "C", "p_mw": 1.5}],
        "branches": [
            {"from": "A", "to": "B", "p_send_mw": 10.0, "p_recv_mw": 10.0},
            {"from": "B", "to": "C", "p_send_mw": 5.0, "p_recv_mw": 4.0},
            {"from": "C", "to": "B", "p_send_mw": 1.0, "p_recv_mw": 1.0},
        ],
        "expected": expected,
    } | more  # fmt: skip


LOOP = {
    "nodal_intensity_kg_per_mwh": {"A": 500, "B": 250.0, "C": 250.0, "lonely": None},
    "throughput_mw": {"A": 10, "B": 21, "C": 4, "lonely": 0},
    "share_of_generator_at_node_A": {"A": 1, "B": 0.5, "C": 0.5, "lonely": None},
    "share_of_generator_at_node_B": {"A": 0, "B": 0.5, "C": 0.5},
    "load_mw_from_generator": {"B": {"A": 8, "B": 8}, "C": {"A": 1.5, "B": 1.5}},
    "load_carbon_kg_per_h": {"B": 4000, "C": 750},
    "total_load_carbon_kg_per_h": 4750,
    "total_loss_carbon_kg_per_h": 250,
    "total_generation_carbon_kg_per_h": 5000,
}


def renamed(value: object, names: dict[str, object]) -> object:
    """A case with other names for its nodes."""
    if isinstance(value, dict):
        return {str(names.get(k, k)): renamed(v, names) if k != "title" else v for k, v in value.items()}
    if isinstance(value, list):
        return [renamed(v, names) for v in value]
    return names.get(value, value) if isinstance(value, str) else value


def leaves(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not isinstance(value, dict):
        yield path
        return
    for key, inner in value.items():
        yield from leaves(inner, (*path, key))


def test_shipped_cases_pass_with_and_without_published_figures(run: Run) -> None:
    bare = deepcopy(SHIPPED)
    for case in bare:
        del case["expected"]["published"]
        del case["tolerance"]
    assert run(*SHIPPED, *bare)[-1] == f"{2 * len(SHIPPED)} passed, 0 failed"


def test_a_network_of_others_passes_whatever_its_names(run: Run) -> None:
    numbered = renamed(grid(LOOP), {"A": 7, "B": 1, "C": 0, "lonely": -3})
    named = renamed(grid(LOOP), {"A": "north", "B": "变电站", "C": "", "lonely": "1.0"})
    named["expected"]["share_of_generator_at_node_north"] = named["expected"].pop("share_of_generator_at_node_A")  # type: ignore[index]
    del named["expected"]["share_of_generator_at_node_B"]  # type: ignore[index]
    for key in ("share_of_generator_at_node_A", "share_of_generator_at_node_B"):
        del numbered["expected"][key]  # type: ignore[index]
    assert run(grid(LOOP), numbered, named)[-1] == "3 passed, 0 failed"


def test_no_expectation_is_overlooked(run: Run) -> None:
    wrong = []
    for original in (*SHIPPED, grid(LOOP)):
        for path in leaves(original["expected"]):
            case = deepcopy(original)
            place = case["expected"]
            for key in path[:-1]:
                place = place[key]
            told = place[path[-1]]
            place[path[-1]] = 1.0 if told is None else told + 1.1 * max(
                float(f"1e-{len(str(told).partition('.')[2])}"), 1e-6
            )  # fmt: skip
            wrong.append(case | {"id": " ".join(path)})
    out = run(*wrong)
    assert out[-1] == f"0 passed, {len(wrong)} failed"


def test_a_branch_may_tell_one_end_or_flow_backwards(run: Run) -> None:
    case = grid(LOOP)
    case["branches"] = [
        {"from": "A", "to": "B", "p_mw": 10},
        {"from": "C", "to": "B", "p_send_mw": -4.0, "p_recv_mw": -5.0},
        {"from": "B", "to": "C", "p_recv_mw": -1.0},
    ]
    assert run(case)[-1] == "1 passed, 0 failed"


def test_a_node_fed_by_nothing_is_null(run: Run) -> None:
    case = grid({"nodal_intensity_kg_per_mwh": {"lonely": None}, "load_carbon_kg_per_h": {"lonely": None}})
    case["load"].append({"node": "lonely", "p_mw": 1})
    assert run(case)[-1] == "1 passed, 0 failed"
    case["expected"] = {"nodal_intensity_kg_per_mwh": {"lonely": 0}}
    assert run(case)[-1] == "0 passed, 1 failed"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"expected": {"mood": 1}}, "does not know the key"),
        ({"expected": {}}, "not empty"),
        ({"branches": [{"from": "A", "to": "Z", "p_mw": 1}]}, "node 'Z' is not in `nodes`"),
        ({"branches": [{"from": "A", "to": "B"}]}, "the case lacks 'p_send_mw'"),
        ({"load": [{"node": "A"}]}, "the case lacks 'p_mw'"),
        ({"nodes": None}, "cannot be judged"),
    ],
)
def test_a_case_that_cannot_be_judged_fails_and_says_why(run: Run, more: dict[str, Any], message: str) -> None:
    out = run(grid(LOOP) | more, grid(LOOP))
    assert message in "\n".join(out)
    assert out[-1] == "1 passed, 1 failed"


@pytest.mark.parametrize(
    ("document", "message"),
    [({"cases": []}, "not empty"), ({"schema_version": 2}, "schema_version 2"), ({"cases": ["x"]}, "object")],
)
def test_a_file_that_cannot_be_used_counts_as_a_failure(run: Run, document: dict[str, Any], message: str) -> None:
    out = run(grid(LOOP), **document)
    assert message in "\n".join(out)
    assert out[-1] == "0 passed, 1 failed"


def test_a_failing_case_shows_expected_and_got(run: Run) -> None:
    out = run(grid({"total_loss_carbon_kg_per_h": 251}))
    assert out[-5:] == [
        "FAILED LOOP: names, a loop and a lonely node",
        "  total_loss_carbon_kg_per_h",
        "    expected 251",
        "    got      250.0",
        "0 passed, 1 failed",
    ]
