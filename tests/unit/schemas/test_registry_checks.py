"""What a registry must keep between its entities, one mistake at a time."""

import pytest
from zones import SMALL, small, zone

from zonepulse.schemas.factors.shipped import channel_bears
from zonepulse.schemas.problems import Problem, RegistryError, Report
from zonepulse.schemas.zone_file.read import parse_zone

REGISTER = '      "1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000000}\n'
OTHER = """\
  - id: %s
    site: s
    role: main
    registers: {"1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000000}}
    valid_from: %s
"""
LNG = "{id: %s, activity: lng, company: a, value: 1, unit: tCO2/t, valid_from: %s, source: x}"


def _refusal(*changes: tuple[str, str], more: str = "") -> list[str]:
    with pytest.raises(RegistryError) as error:
        parse_zone(small(*changes, more=more))
    return str(error.value).splitlines()


def _channel(text: str) -> tuple[str, str]:
    return REGISTER, f"      r: {{{text}, max_power: 1000000}}\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("id: z,", "id: z, window: 7m,", "zone.yaml:1: zone.window: 420000 ms is no ledger interval; use 1m to 60m"),
        ("id: z,", "id: z, window: 2h,", "zone.window: 7200000 ms is no ledger interval"),
        ("id: z,", "id: z, window: 30s,", "zone.window: 30000 ms is no ledger interval"),
        ("id: z,", "id: z, tick: 7m,", "zone.tick: 420000 ms does not divide the window; use a tick that divides it"),
        ("id: z,", "id: z, tick: 0s,", "zone.tick: 0 ms does not divide the window"),
        ("id: z,", "id: z, idle: 0s,", "zone.idle: is zero"),
        ("{id: b}", "{id: b}\n  - {id: b}", "zone.yaml:5: companies[2].id: 'b' stands twice, first on line 4; keep one"),
        ("company: b", "company: c", "zone.yaml:7: sites[1].company: unknown company 'c'; add it to companies"),
        ("site: s\n", "site: x\n", "zone.yaml:10: meters[0].site: unknown site 'x'; add it to sites"),
        ("role: main", "role: main\n    parent: Q", "zone.yaml:12: meters[0].parent: unknown meter 'Q'; add it to meters"),
        ("role: main", "role: main\n    parent: M", "meters[0].parent: 'M' is part of itself; break the circle"),
        ("role: main", "role: sub", "meters[0].parent: 'M' is a sub meter of nothing; name its parent"),
        ("2024-01-01", "2024-01-01\n    valid_to: 2024-01-01", "meters[0].valid_to: the validity ends before it begins"),
        ("2024-01-01", '"2024-01-01T00:01Z"', "use 2024-01-01T08:00:00+08:00 or 2024-01-01T08:15:00+08:00"),
        ("unit: kWh", "unit: kWh, multiplier: -1", "multiplier: is not above zero; write a number above zero"),
        ("unit: kWh", "unit: kWh, modulus: 0", "modulus: is not above zero"),
        ("unit: kWh", "unit: kWh, multiplier: 0.1234567890123", "multiplier: has too many digits to multiply exactly"),
        ("unit: kWh", "unit: kWh, reference: 20C", "reference: electricity has no reference temperature; remove it"),
        ("unit: kWh", "unit: kWh, ef: 0.5", "ef: belongs to registers of direction generation"),
        ("unit: kWh", "unit: kvarh", "unit: unit 'kvarh' is unknown for electricity (cumulative); known units: GJ, GWh, "),
        (
            "[CN-JS, CN]",
            "[MARS]",
            "no factor of 'grid_electricity' is for this company or these factor_regions: grid-cn-loc-2021, ",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_and_remedy(old: str, new: str, message: str) -> None:
    (line,) = _refusal((old, new))
    assert message in line


def test_one_mistake_is_told_once_even_where_much_depends_on_it() -> None:
    assert len(_refusal(("unit: kWh", "unit: kW"), more=OTHER % ("M2", "2024-01-01"))) == 1
    assert len(_refusal(("timezone: Asia/Shanghai", "timezone: Asia/Beijing"))) == 1
    assert len(_refusal(("valid_from: 2024-01-01", "valid_from: 2024-01-01\n    valid_to: soon"))) == 1


@pytest.mark.parametrize(
    ("unit", "multiplier", "fits", "too_large"),
    [("kWh", "1", "4611686018427.387903", "4611686018427.387904"), ("MWh", "40", "115292150.4606", "115292150.4607")],
)
def test_a_modulus_must_fit_64_bits_after_the_multiplier(unit: str, multiplier: str, fits: str, too_large: str) -> None:
    def change(modulus: str) -> tuple[str, str]:
        return "unit: kWh", f"unit: {unit}, multiplier: {multiplier}, modulus: {modulus}"

    assert zone(change(fits)).meters
    assert (
        "modulus x multiplier does not fit 64 bits in micro-units; it must be below 4.61169e+12"
        in _refusal(("unit: kWh", f"unit: kWh, modulus: {1 << 43}"))[0]
    )
    assert _refusal(change(too_large))


def test_a_max_power_must_leave_room_for_an_hour() -> None:
    assert zone(("max_power: 1000000", "max_power: 1067519.911"))
    assert "max_power: does not fit 64 bits" in _refusal(("max_power: 1000000", "max_power: 1067519.912"))[0]


def test_validities_of_a_meter_must_not_overlap_but_may_touch() -> None:
    ended = ("2024-01-01", "2024-01-01\n    valid_to: 2025-01-01")
    assert zone(ended, more=OTHER % ("M", "2025-01-01"))
    (line,) = _refusal(ended, more=OTHER % ("M", "2024-12-31"))
    assert line == (
        "zone.yaml:20: meters[1].valid_from: 'M' is also valid then by meters[0] on line 9;"
        " end the earlier version where the later one begins"
    )


def test_a_sub_meter_names_its_parent() -> None:
    assert zone(more=(OTHER % ("M2", "2024-01-01")).replace("role: main", "role: sub\n    parent: M")).meters[1].parent == "M"
    circle = _refusal(
        ("role: main", "role: sub\n    parent: M2"),
        more=(OTHER % ("M2", "2024-01-01")).replace("role: main", "role: sub\n    parent: M"),
    )
    assert [line.partition(": ")[2] for line in circle] == [
        "meters[0].parent: 'M' is part of itself; break the circle of parents",
        "meters[1].parent: 'M2' is part of itself; break the circle of parents",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            '{meter: M, register: "2.8.0", at: 2025-01-01, old_final: 1, new_initial: 0}',
            "'M' has no register '2.8.0'; did you mean `1.8.0`?",
        ),
        ('{meter: M, register: "1.8.0", at: 2020-01-01, old_final: 1, new_initial: 0}', "at: 'M' is not valid then"),
        (
            '{meter: M, register: "1.8.0", at: 2025-01-01, old_final: 1e20, new_initial: 0}',
            "old_final: 1e+20 is more than a register can hold",
        ),
        (
            '{meter: M, register: "1.8.0", at: 2025-01-01, old_final: 1.0e+20, new_initial: 0}',
            "old_final: 1e+20 is more than a register can hold",
        ),
        (
            '{meter: M, register: "1.8.0", at: 2025-01-01, old_final: 1, new_initial: 1000}',
            "new_initial: 1000.0 is not below the modulus",
        ),
        (
            '{meter: M, register: "1.8.0", at: "2025-01-01 10:00", old_final: 1, new_initial: 0}',
            "such as 2025-01-01T10:00:00+08:00",
        ),
    ],
)
def test_a_meter_change_must_fit_its_register(change: str, message: str) -> None:
    (line,) = _refusal(("unit: kWh", "unit: kWh, modulus: 1000"), more=f"meter_changes:\n  - {change}\n")
    assert message in line


def test_a_meter_change_stands_once() -> None:
    change = '  - {meter: M, register: "1.8.0", at: 2025-01-01, old_final: 1, new_initial: 0}\n'
    (line,) = _refusal(more=f"meter_changes:\n{change}{change}")
    assert "the same change stands twice, first on line 16" in line


def test_only_a_register_that_counts_up_is_changed() -> None:
    change = 'meter_changes:\n  - {meter: M, register: "1.8.0", at: 2025-01-01, old_final: 1, new_initial: 0}\n'
    assert "is not cumulative; remove the change" in _refusal(("kind: cumulative", "kind: interval"), more=change)[0]


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        (
            "carrier: steam, direction: consumption, kind: interval, unit: t",
            "no factor of 'steam' exists; add a factor of steam to `factors`, in kgCO2/kg",
        ),
        (
            "carrier: natural_gsa, direction: consumption, kind: interval, unit: GJ",
            "no factor of 'natural_gsa' exists; did you mean `natural_gas`?",
        ),
        ("carrier: grid_electricity, direction: consumption, kind: interval, unit: GJ", "has basis location or default"),
        (
            "carrier: natural_gas, direction: consumption, kind: interval, unit: t",
            "no factor of 'natural_gas' fits kg: fuel-a-natural-gas-vol, ",
        ),
        (
            "carrier: purchased_steam_sat_0.8MPa, direction: consumption, kind: interval, unit: t",
            "unverified (confidence L): steam-cn-sat-0p8mpa-2025",
        ),
    ],
)
def test_what_bears_emissions_needs_a_factor(channel: str, message: str) -> None:
    if "grid_electricity" in channel:
        message = "no factor of 'grid_electricity' fits GJ"
    (line,) = _refusal(_channel(channel))
    assert line.startswith("zone.yaml:13: meters[0].registers.r.carrier: ")
    assert message in line


@pytest.mark.parametrize(
    ("role", "channel"),
    [
        ("main", "carrier: water, direction: consumption, kind: interval, unit: m3"),
        ("main", "carrier: cooling, direction: consumption, kind: interval, unit: GJ"),
        ("main", "carrier: reactive, direction: import, kind: interval, unit: kvarh"),
        ("production", "carrier: 'product:steel', direction: generation, kind: interval, unit: t"),
        ("generation", "carrier: steam, direction: generation, kind: interval, unit: t"),
        ("main", "carrier: steam, direction: export, kind: interval, unit: t"),
        ("storage", "carrier: steam, direction: charge, kind: interval, unit: t"),
    ],
)
def test_what_bears_none_needs_no_factor(role: str, channel: str) -> None:
    assert zone(_channel(channel), ("role: main", f"role: {role}")).meters


def test_a_companys_own_factor_is_enough_for_its_own_channels_only() -> None:
    steam = _channel("carrier: steam, direction: consumption, kind: interval, unit: t")
    own = f"factors:\n  - {LNG % ('own', '2024-01-01')}\n".replace("lng", "steam")
    assert zone(steam, more=own).factors[-1].id == "own"
    assert (
        "is for this company or these factor_regions: own; add" in _refusal(steam, more=own.replace("company: a", "company: b"))[0]
    )


def test_several_factors_at_one_time_are_refused_by_name() -> None:
    lng = _channel("carrier: lng, direction: consumption, kind: interval, unit: t")
    own = f"factors:\n  - {LNG % ('one', '2024-01-01')}\n  - {LNG % ('two', '2025-01-01')}\n"
    (line,) = _refusal(lng, more=own)
    assert line.endswith("'one' and 'two' all apply from 2025-01-01T00:00:00+08:00 (rung company); end one where the other begins")
    assert zone(lng, more=own.replace("from: 2024-01-01", "from: 2024-01-01, valid_to: 2025-01-01")).factors


def test_a_regional_factor_beside_the_shipped_one_is_told_what_to_do() -> None:
    own = (
        "factors:\n  - {id: js, activity: grid_electricity, region: CN-JS, basis: location, value: 0.5, unit: kgCO2/kWh,"
        " valid_from: 2026-01-01, source: x}\n"
    )
    assert "or give yours a region of its own, ahead of CN-JS in factor_regions" in _refusal(more=own)[0]
    assert zone(("[CN-JS", "[CN-JS-26, CN-JS"), more=own.replace("region: CN-JS", "region: CN-JS-26"))


@pytest.mark.parametrize(
    ("role", "carrier", "direction", "bears"),
    [
        ("main", "electricity", "import", True),
        ("sub", "natural_gas", "consumption", True),
        ("boundary", "electricity", "import", True),
        ("boundary", "electricity", "export", False),
        ("main", "electricity", "export", False),
        ("generation", "electricity", "generation", False),
        ("storage", "electricity", "charge", False),
        ("main", "reactive", "import", False),
    ],
)
def test_a_channel_bears_emissions_by_role_carrier_and_direction(role: str, carrier: str, direction: str, bears: bool) -> None:
    assert channel_bears(role, carrier, direction) is bears


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{id: r, on: zone, when: {indicator: kwh, above: 1}}", "unknown indicator 'kwh'"),
        ("{id: r, on: zone, when: {indicator: co2e_kg, above: 1, below: 2}}", "needs exactly one of `above` and `below`"),
        ("{id: r, on: zone, when: {indicator: co2e_kg, above: 5}, clear: {below: 6}}", "never clears a rule that fires above 5.0"),
        ("{id: r, on: zone, when: {indicator: co2e_kg, above: 5}, clear: {above: 4}}", "write {below: b} with b of at most 5.0"),
        ("{id: r, on: zone, when: {indicator: co2e_kg, below: 5}, clear: {above: 4}}", "write {above: a} with a of at least 5.0"),
        ("{id: r, on: zone}", "`when` is missing; add `when: {indicator: g_per_kwh, above: 450}`"),
    ],
)
def test_a_rule_that_could_never_work_is_refused(rule: str, message: str) -> None:
    (line,) = _refusal(more=f"rules:\n  - {rule}\n")
    assert message in line


def test_bounds_of_a_rule_may_be_zero() -> None:
    (rule,) = zone(more="rules:\n  - {id: r, on: zone, when: {indicator: co2e_kg, above: 0}, clear: {below: 0}}\n").rules
    assert (rule.above, rule.clear_below, rule.for_ms, rule.severity, rule.text) == (0.0, 0.0, 0, "warning", {"en": "r"})
    assert _refusal(more="rules:\n  - {id: r, on: zone, when: {indicator: co2e_kg, above: -1}, clear: {below: 0}}\n")


def test_the_network_names_nodes_and_meters_that_exist() -> None:
    network = (
        "network:\n  nodes: [n, n]\n  edges: [{id: e, from: n, to: m, meter_from: Q}]\n"
        "  sources: [{node: p, kind: grid_import, meter: R}]\n"
    )
    assert [line.partition(": ")[2] for line in _refusal(more=network)] == [
        "network.nodes[1]: 'n' stands twice, first on line 16; keep one, or give it another id",
        "network.edges[0].to: unknown node 'm'; add it to network.nodes",
        "network.edges[0].meter_from: unknown meter 'Q'; add it to meters",
        "network.sources[0].node: unknown node 'p'; add it to network.nodes",
        "network.sources[0].meter: unknown meter 'R'; add it to meters",
    ]


def test_a_problem_without_a_line_names_the_file_and_the_path() -> None:
    assert str(Problem("z.yaml", 0, "meters.M", "is wrong", "mend it")) == "z.yaml: meters.M: is wrong; mend it"


def test_a_path_that_was_not_written_stands_on_the_line_of_what_is_around_it() -> None:
    report = Report(lines={"": 1, "meters[0]": 9, 'meters[0].registers."1.8.0"': 13})
    lines = [
        report.line(p) for p in ('meters[0].registers."1.8.0".multiplier', "meters[0].parent", "meters[0]", "sites[3].id", "zone")
    ]
    assert lines == [13, 9, 9, 1, 1]


def test_the_small_zone_is_correct() -> None:
    assert parse_zone(SMALL).meters
