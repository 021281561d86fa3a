"""Records of reports: whatever a file holds is a record or a named mistake, never a report made without it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zonepulse.processors.indicators.disclosure import report_of
from zonepulse.streams.efficiency.benchmark import earlier_reports
from zonepulse.streams.efficiency.network_figures import earlier_figures
from zonepulse.streams.screen import BadInput

BENCHMARK: dict[str, Any] = {
    "report": "0a", "made_at": "2026-11-28T04:00:00+00:00", "indicator": "clean_share", "period": "2026", "names_shown_to": "",
    "groups": [["a", "b"], ["c"]], "pseudonyms": {"a": "0F"},
}  # fmt: skip
NETWORK: dict[str, Any] = {"report": "0b", "network": "taicang-1", "period": "2026-03", "figures": {"meters_kwh": ["a", "b"]}}
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def replaced(record: Any, chance: st.DataObject) -> Any:
    """A record with one of its nodes, at any depth, replaced by any JSON value."""
    parts: list[Any] = list(record) if isinstance(record, dict) else list(range(len(record))) if isinstance(record, list) else []
    at = chance.draw(st.sampled_from([None, *parts]))
    if at is None:
        return chance.draw(anything)
    copy = record.copy()
    copy[at] = replaced(record[at], chance)
    return copy


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_record_with_any_of_its_values_replaced_is_read_or_named(tmp_path: Path, data: st.DataObject) -> None:
    one, other = (tmp_path / f"{kind}-0.json" for kind in ("benchmark", "network"))
    one.write_text(json.dumps(replaced(BENCHMARK, data)), "utf-8")
    other.write_text(json.dumps(replaced(NETWORK, data)), "utf-8")
    for path, read in (
        (one, lambda: earlier_reports(tmp_path, "clean_share")),
        (other, lambda: earlier_figures(tmp_path, "taicang-1")),
    ):
        try:
            read()
        except BadInput as error:
            assert str(path) in str(error) and "bring it back from a copy" in str(error)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"groups": 5}, r"\$\.groups"), ({"groups": "abc"}, r"\$\.groups"), ({"groups": ["abc"]}, r"\$\.groups\[0\]"),
        ({"groups": [["a", 1]]}, r"\$\.groups\[0\]\[1\]"), ({"groups": {"a": "b"}}, r"\$\.groups"), ({"indicator": None}, r"\$\.indicator"),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_named(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    (tmp_path / "benchmark-0.json").write_text(json.dumps(BENCHMARK | wrong), "utf-8")
    with pytest.raises(BadInput, match=said):
        earlier_reports(tmp_path, "clean_share")


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 100_000, b"null", b"[]", b"{}"])
def test_what_is_no_record_at_all_is_named(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "network-0.json").write_bytes(raw)
    with pytest.raises(BadInput, match="no record of a network"):
        earlier_figures(tmp_path, "taicang-1")


def test_records_of_others_are_passed_over_and_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert earlier_reports(tmp_path / "none", "clean_share") == []
    (tmp_path / "benchmark-0.json").write_text(json.dumps(BENCHMARK), "utf-8")
    (tmp_path / "network-0.json").write_text(json.dumps(NETWORK), "utf-8")
    assert earlier_reports(tmp_path, "tan_phi") == [] and earlier_figures(tmp_path, "jintan-1") == {}
    assert [one.blocks for one in earlier_reports(tmp_path, "clean_share")] == [report_of([["a", "b"], ["c"]]).blocks]
    figures = earlier_figures(tmp_path, "taicang-1")
    assert {name: [one.blocks for one in found] for name, found in figures.items()} == {
        "meters_kwh": [report_of([["a", "b"]]).blocks]
    }


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="--records"):
        earlier_reports(tmp_path / "file", "clean_share")
