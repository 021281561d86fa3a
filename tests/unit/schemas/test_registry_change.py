"""What a registry may change while its zone runs: nothing that closed windows were booked with."""

from dataclasses import replace

import pytest
from zones import zone

from zonepulse.schemas.checks.changes import check_applicable, check_settings, diff
from zonepulse.schemas.registry.model import Registry

CLOSED_MS = 1_767_232_800_000  # 2026-01-01T10:00:00+08:00
OWN = """\
factors:
  - {id: own, activity: grid_electricity, company: a, value: 0.1, unit: kgCO2/kWh, source: me, valid_from: "%s"}
"""
LATER = """\
  - id: M
    site: s2
    role: main
    registers: {"1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: MWh, max_power: 1000000}}
    valid_from: %s
"""
CHANGE = """\
meter_changes:
  - {meter: M, register: "1.8.0", at: "%s", old_final: 10, new_initial: 0}
"""


BY_METER = ("id: z,", "id: z, key: meter,")


def renewed(at: str, *changes: tuple[str, str], ended: str = "") -> Registry:
    """The zone with another version of its meter, on another site, from an instant on."""
    again = ("    valid_from: 2024-01-01\n", f"    valid_from: 2024-01-01\n    valid_to: {ended or at}\n{LATER % at}")
    return zone(again, *changes)


def _paths(old: Registry, new: Registry) -> list[str]:
    return [p.path for p in check_applicable(old, new, CLOSED_MS)]


def test_the_same_registry_is_applicable() -> None:
    assert check_applicable(zone(), zone(), CLOSED_MS) == []
    assert diff(zone(), zone()) == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("id", "id: z,", "id: y,"),
        ("window", "id: z,", "id: z, window: 30m,"),
        ("tick", "id: z,", "id: z, tick: 5m,"),
        ("delay", "id: z,", "id: z, delay: 20m,"),
        ("key", "id: z,", "id: z, key: meter,"),
        ("lateness", "id: z,", "id: z, lateness: 3h,"),
        ("future", "id: z,", "id: z, future: 6m,"),
        ("max_gap", "id: z,", "id: z, max_gap: 8d,"),
        ("vee.n_confirm", "id: z,", "id: z, vee: {n_confirm: 4},"),
        ("vee.boundary_tolerance", "id: z,", "id: z, vee: {boundary_tolerance: 59s},"),
    ],
)
def test_what_the_stored_state_is_made_with_cannot_change(name: str, old: str, new: str) -> None:
    changed = zone((old, new))
    assert f"zone.{name}" in _paths(zone(), changed)
    assert f"zone.{name}" in [p.path for p in check_settings(zone(), changed)], "before any window is closed too"


def test_a_refused_setting_says_what_to_keep_and_what_else_to_do() -> None:
    (problem,) = check_settings(zone(), zone(("id: z,", "id: z, lateness: 90m,")), file="new.yaml")
    assert problem.what == "cannot change from 2h to 90m at run time"
    assert problem.remedy == (
        "keep 2h; another one needs a topic prefix of its own (ZONEPULSE_TOPIC_PREFIX), or a run of its own beside the live one:"
        " `zonepulse replay file --zone new.yaml READINGS`"
    )


def test_how_often_the_live_view_and_heartbeats_come_may_change() -> None:
    assert _paths(zone(), zone(("id: z,", "id: z, live: 10s, idle: 1m,"))) == []


def test_names_regions_without_effect_and_rules_may_change_at_any_time() -> None:
    new = zone(
        ("{id: a}", "{id: a, name: {en: Alpha}, employees: 3}"),
        ("[CN-JS, CN]", "[CN-JS, CN, CN-SH]"),
        more="rules:\n  - {id: r, on: zone, when: {indicator: g_per_kwh, above: 1}}\n",
    )
    assert _paths(zone(), new) == []
    assert diff(zone(), new) == ["~ zone z", "~ companies a", "+ rules r"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("unit: kWh", "unit: MWh"),
        ("unit: kWh", "unit: kWh, multiplier: 2"),
        ("role: main", "role: generation"),
        ("2024-01-01", "2025-01-01"),
        ("node: n", "node: n2"),
        ("company: a", "company: b"),
        ("id: M\n", "id: M2\n"),
        ("    valid_from: 2024-01-01\n", "    valid_from: 2024-01-01\n    valid_to: 2026-01-01\n"),
    ],
)
def test_facts_of_closed_windows_cannot_change(old: str, new: str) -> None:
    assert "meters.M" in _paths(zone(), zone((old, new)))


def test_a_meter_may_get_a_new_version_from_the_latest_closed_window_on() -> None:
    old = zone(BY_METER)
    assert _paths(old, renewed("2026-01-01T10:00:00+08:00", BY_METER)) == []
    (problem,) = check_applicable(old, renewed("2026-01-01T09:45:00+08:00", BY_METER), CLOSED_MS)
    assert str(problem) == (
        "zone.yaml: meters.M: changes what was valid in closed windows; let the change begin at 2026-01-01T10:00:00+08:00 or later"
        " (a new version of the meter), or restate the past: `zonepulse replay plan --registry zone.yaml --from TIME --to TIME`"
    )


def test_a_meters_partition_cannot_change_while_it_is_valid() -> None:
    at = "2026-01-01T10:00:00+08:00"
    (problem,) = check_applicable(zone(), renewed(at), CLOSED_MS)
    assert str(problem) == (
        "zone.yaml: meters.M: its readings would move from key 's' to 's2' at 2026-01-01T10:00:00+08:00, while it is valid"
        " (zone.key: gateway); keep 's', or end the meter then and go on with one of another id"
    )
    assert _paths(renewed(at), renewed(at)) == []  # it has always been so
    assert _paths(zone(), renewed("2026-01-01T10:15:00+08:00", ended=at)) == []
    gateways = ("sites:", "gateways: [{id: g1, site: s}, {id: g2, site: s2}]\nsites:")
    one = renewed(
        at, gateways, ("    site: s\n", "    site: s\n    gateway: g1\n"), ("    site: s2\n", "    site: s2\n    gateway: g1\n")
    )
    assert _paths(zone(gateways, ("    site: s\n", "    site: s\n    gateway: g1\n")), one) == []


def test_a_new_meter_may_begin_now_but_not_in_the_past() -> None:
    assert _paths(zone(), zone(more=LATER.replace("id: M", "id: M2") % "2026-01-01T10:00:00+08:00")) == []
    assert _paths(zone(), zone(more=LATER.replace("id: M", "id: M2") % "2025-12-01")) == ["meters.M2"]


@pytest.mark.parametrize(
    ("at", "paths"), [("2026-01-01T08:00:00+08:00", []), ("2026-01-01T07:59:59.999+08:00", ["meter_changes.M"])]
)
def test_a_meter_change_may_go_back_by_the_lateness(at: str, paths: list[str]) -> None:
    assert _paths(zone(), zone(more=CHANGE % at)) == paths
    assert _paths(zone(more=CHANGE % at), zone()) == paths
    assert _paths(zone(more=CHANGE % at), zone(more=(CHANGE % at).replace("10,", "11,"))) == paths


def test_a_factor_may_begin_now_but_not_change_what_was_booked() -> None:
    assert _paths(zone(), zone(more=OWN % "2026-01-01T10:00:00+08:00")) == []
    assert _paths(zone(), zone(more=OWN % "2026-01-01T09:45:00+08:00")) == ["factors"]
    assert _paths(zone(), zone(("[CN-JS, CN]", "[CN]"))) == ["factors", "factors"]  # of the company and of the zone itself
    assert _paths(zone(), zone(more=(OWN % "2025-01-01").replace("company: a", "company: b"))) == []  # b has no meter


def test_problems_count_from_the_old_lateness() -> None:
    old = zone()
    longer = replace(zone(more=CHANGE % "2026-01-01T06:00:00+08:00"), zone=replace(old.zone, lateness_ms=86_400_000))
    assert _paths(old, longer) == ["zone.lateness", "meter_changes.M"]
