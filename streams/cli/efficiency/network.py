"""`zonepulse network`: energy-efficiency networks, their targets, measures, baselines and savings."""

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from zonepulse.schemas.indicators.periods import Period
from zonepulse.schemas.registry.efficiency.networks import EFFICIENCY, LEAST_MEMBERS, Efficiency, current_members
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.sections import whole_of
from zonepulse.streams.cli.shared.asked_registry import asked_registry, require_company, today_in
from zonepulse.streams.cli.shared.grouped_options import grouped
from zonepulse.streams.cli.shared.savings_options import (
    How,
    NetworkArgument,
    PeriodOption,
    asked_network,
    asked_period,
    asked_savings,
)
from zonepulse.streams.efficiency import snapshot as snapshots
from zonepulse.streams.efficiency.network import (
    Asked,
    by_measures,
    member_document,
    member_savings,
    network_document,
    network_savings,
)
from zonepulse.streams.indicators.store import store
from zonepulse.streams.screen import BadInput, JsonOption, Stop, print_facts, print_json, print_table, say

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Energy-efficiency networks: targets, measures, baselines, savings."
)
_EVER: Final = "9999-12-31"

ZoneOption = Annotated[Path | None, typer.Option("--zone", metavar="ZONE.YAML", help="A file instead of the published registry.")]


@app.command()
def show(network: NetworkArgument = "", zone: ZoneOption = None, json: JsonOption = False) -> None:
    """Show a network's members, targets and measures, and what the measures are said to save."""
    registry = asked_registry(zone)
    found, today = asked_network(registry, network), today_in(registry)
    efficiency: Efficiency = whole_of(registry, EFFICIENCY)
    asked = Asked(date(today.year, 1, 1), today, today.year - 1)
    current = current_members(efficiency, found.id, today.isoformat(), _EVER)
    document = network_document([by_measures(registry, company, found.id, asked) for company in current], asked)
    if json:
        lists = ("members", "targets", "measures", "reviews", "snapshots")
        own = {name: [asdict(one) for one in getattr(efficiency, name) if one.network == found.id] for name in lists}
        print_json({"zone": registry.zone.id, "network": asdict(found), **own, "savings": document})
        return
    too_few = f" (a network has {LEAST_MEMBERS} at least)" if len(current) < LEAST_MEMBERS else ""
    total = document["total"]
    print_facts(
        (
            ("network", f"{found.id}, {found.begins} to {found.ends}"),
            ("moderator", found.moderator or "-"),
            ("members", f"{len(current)}{too_few}"),
            ("target", f"{total['target_kwh_a']:,.0f} kWh a year"),
            ("measures", f"{total['measures_kwh_a']:,.0f} kWh a year, {_percent(total['attained'])} of it"),
        )
    )
    columns = ("member", "base year", "target kWh/a", "measures kWh/a", "attained", "measures kg/a", "remark")
    print_table(columns, [_member_cells(one) for one in document["members"]], right=columns[2:6])
    heads = ("measure", "member", "title", "status", "starts", "kWh/a", "method", "investment CNY")
    rows = (
        (m.id, m.company, m.title, m.status, m.starts, _number(sum(v for _, v in m.kwh_a)), m.method, _number(m.investment_cny))
        for m in efficiency.measures
        if m.network == found.id
    )
    print_table(heads, rows, right=("kWh/a", "investment CNY"))


@app.command()
@grouped(how=How)
def baseline(
    company: Annotated[str, typer.Argument(metavar="COMPANY", help="Its id.")],
    period: PeriodOption = "",
    *,
    how: How,
    zone: ZoneOption = None,
    json: JsonOption = False,
) -> None:
    """Fit a company's baselines, carrier by carrier, and count a period's savings against them.

    A baseline explains energy by production, degree days and weekends over twelve months; where it cannot, it says why.
    """
    registry = asked_registry(zone)
    require_company(registry, company)
    asked = _asked(registry, asked_period(registry, period), how)
    efficiency: Efficiency = whole_of(registry, EFFICIENCY)
    network = next((one.network for one in efficiency.targets if one.company == company), "")
    with store() as ask:
        found = member_savings(registry, company, network, asked, ask)
    document = member_document(found, asked)
    if json:
        print_json({"zone": registry.zone.id, "weather": asked.source, **document})
        return
    for one in document["carriers"]:
        _print_carrier(company, one)
    if not document["carriers"]:
        say(f"nothing that {company} uses is metered")


@app.command()
@grouped(how=How)
def savings(
    network: NetworkArgument = "",
    period: PeriodOption = "",
    *,
    how: How,
    zone: ZoneOption = None,
    json: JsonOption = False,
) -> None:
    """Count a network's savings twice, by its measures and by its meters, and show the difference."""
    registry = asked_registry(zone)
    one, asked = asked_network(registry, network), _asked(registry, asked_period(registry, period), how)
    with store() as ask:
        found = network_savings(registry, one, asked, ask)
    document = network_document(found, asked)
    if json:
        print_json({"zone": registry.zone.id, "network": one.id, "weather": asked.source, **document})
        return
    columns = ("member", "by measures kWh", "by meters kWh", "90 % interval", "difference kWh", "attained", "remark")
    rows = [_savings_cells(member["company"], member["measures"]["kwh"], member) for member in document["members"]]
    total = document["total"]
    missing = ", ".join(total["members_without_meters"])
    rows.append(
        _savings_cells("all", total["measures_kwh"], total | {"carriers": []}, f"no answer of {missing}" if missing else "")
    )
    title = f"{one.id}, {asked.first} to {asked.end}; weather: {asked.source or 'none'}"
    print_table(columns, rows, title=title, right=columns[1:6])


@app.command()
@grouped(how=How)
def snapshot(
    network: NetworkArgument = "",
    period: PeriodOption = "",
    *,
    how: How,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Default: NETWORK-PERIOD.json.")] = None,
    check: Annotated[
        Path | None, typer.Option("--check", metavar="FILE", help="Look whether a file is a declared snapshot.")
    ] = None,
    zone: ZoneOption = None,
) -> None:
    """Write a period's savings, with models and days, into a file that never changes; its digest goes into zone.yaml."""
    registry = asked_registry(zone)
    if check is not None:
        _check(registry, check)
        return
    one, over = asked_network(registry, network), asked_period(registry, period)
    asked = _asked(registry, over, how)
    if asked.end < over.end:
        raise BadInput(f"--period {over.text}: it is not over before {over.end}; choose one that is")
    with store() as ask:
        found = network_savings(registry, one, asked, ask)
    path = out or Path(f"{one.id}-{over.text}.json")
    digest = snapshots.write(path, snapshots.content(registry, one.id, over.text, found, asked))
    say(
        f"{path} is written; declare it in `efficiency_networks` of zone.yaml:",
        "  snapshots:",
        f'    - {{id: {one.id}-{over.text}, network: {one.id}, period: "{over.text}", sha256: {digest},'
        f" taken: {today_in(registry)}, by: YOUR NAME}}",
    )


def _check(registry: Registry, path: Path) -> None:
    found = snapshots.declared(registry, snapshots.read(path))
    if found is None:
        raise Stop(f"{path} is no snapshot that zone {registry.zone.id} declares: it was changed, or is not in `snapshots` yet")
    say(f"{path} is the snapshot {found.id}, taken on {found.taken} by {found.by}, unchanged")


def _asked(registry: Registry, period: Period, how: How) -> Asked:
    return asked_savings(registry, period.first, period.end, how)


# --- cells --------------------------------------------------------------------------------------------------------------------------


def _number(value: Any) -> str:
    return "" if value is None else f"{float(value):,.0f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.3g} %"


def _member_cells(one: dict[str, Any]) -> list[str]:
    target, measured = one["target"], one["measures"]
    without = measured["measures_without_kg"]
    return [
        one["company"],
        str(target["base_year"]) if target else "-",
        _number(target["kwh_a"]) if target else "-",
        _number(measured["kwh_a"]),
        _percent(measured["attained"]),
        _number(measured["kg_a"]) or "-",
        f"no kg_a: {', '.join(without)}" if without else "",
    ]


def _savings_cells(name: str, measured_kwh: float, one: dict[str, Any], remark: str = "") -> list[str]:
    meters = one["meters"]
    remarks = [remark] if remark else []
    remarks += [f"{carrier['carrier']} {carrier['missing']}" for carrier in one["carriers"] if carrier["missing"]]
    remarks += [text for carrier in one["carriers"] if carrier["savings"] and (text := _days_remark(carrier["savings"]))]
    if meters is None:
        return [name, _number(measured_kwh), "-", "-", "-", "-", "; ".join(remarks)]
    interval = f"{_number(meters['low_kwh'])} to {_number(meters['high_kwh'])}"
    difference, attained = _number(meters["less_measures_kwh"]), _percent(meters["attained"])
    return [name, _number(measured_kwh), _number(meters["kwh"]), interval, difference, attained, "; ".join(remarks)]


def _days_remark(found: dict[str, Any]) -> str:
    parts = [
        f"{found[key]} days {what}"
        for key, what in (("days_with_substitute", "with substituted weather"), ("days_without_energy", "left out: without energy"))
        if found[key]
    ]
    return ", ".join(parts)


def _print_carrier(company: str, one: dict[str, Any]) -> None:
    model = one["baseline"]
    if model is None:
        say(f"{company}, {one['carrier']}: {one['missing']}")
        return
    balance = ", ".join(
        f"{what} {model[key]} C" for what, key in (("heating below", "heating_c"), ("cooling above", "cooling_c")) if model[key]
    )
    title = f"{company}, {one['carrier']}: {model['unit']} a day, {model['first']} to {model['end']}, {model['library']}"
    rows = [(v["name"], f"{v['coefficient']:.6g}", f"{v['standard_error']:.3g}", f"{v['p_value']:.3g}") for v in model["variables"]]
    print_table(("variable", "coefficient", "standard error", "p"), rows, title=title, right=("coefficient", "standard error", "p"))
    judged = [
        (j["statistic"], f"{j['value']:.4g}", f"{'≤' if j['is_most'] else '≥'} {j['bound']:g}", j["verdict"], j["source"])
        for j in model["judged"]
    ]
    print_table(("statistic", "value", "bound", "verdict", "source"), judged, right=("value", "bound"))
    say(f"{model['days']} days, {model['missing_days']} left out{'; ' + balance if balance else ''}")
    if one["missing"]:
        say(one["missing"])
        return
    found = one["savings"]
    remark = _days_remark(found)
    columns = ("month", "saved", "cumulative", "90 % interval")
    months = [(m["month"], _number(m["saved"]), _number(m["cumulative"]), f"± {_number(m['half_width'])}") for m in found["months"]]
    title = f"saved: {_number(found['saved'])} ± {_number(found['half_width'])} {found['unit']} of {found['days']} days"
    print_table(columns, months, title=title + (f"; {remark}" if remark else ""), right=columns[1:])
