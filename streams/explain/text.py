"""The chain of `zonepulse explain` as lines for people, every sum written so that it can be done again by hand. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from zonepulse.schemas.units import MICRO

Row = dict[str, Any]


def exact(micro: int | None) -> str:
    """Millionths as a decimal, no digit lost or added; `unknown` for None."""
    if micro is None:
        return "unknown"
    whole, part = divmod(abs(micro), MICRO)
    digits = f"{part:06d}".rstrip("0")
    return f"{'-' if micro < 0 else ''}{whole:,}" + (f".{digits}" if digits else "")


def share(part: float | None) -> str:
    """A share in percent."""
    return "unknown" if part is None else f"{100 * part:.4g} %"


def product(micro: int | None, unit: str, factor_mg: int | None, mg: int | None) -> str:
    """Energy x factor = mass, as it was rounded: half up, to the milligram."""
    if micro is None or factor_mg is None:
        return f"{exact(mg)} kg = {exact(micro)} {unit} x no factor" if micro is not None else "unknown"
    return f"{exact(mg)} kg = {exact(micro)} {unit} x {exact(factor_mg)} kg/{unit}"


class Page:
    """The lines of one answer, times in the zone's own."""

    def __init__(self, answer: Row, zone: ZoneInfo) -> None:
        self._answer, self._zone = answer, zone

    def lines(self) -> Iterator[str]:
        """All of them."""
        answer = self._answer
        window = answer["window"]
        name = answer["name"].get("en", answer["company"])
        yield f"{answer['company']} ({name}), basis {answer['basis']}, {self._at(window['start_ms'])} to {self._clock(window['end_ms'])}"
        yield f"zone {answer['zone']}, run {answer['run']}, registry version {answer['registry_version']}"
        yield ""
        yield "TOTALS"
        for row in answer["totals"]:
            yield from self._total(row)
        yield from self._emissions()
        yield from self._contracts()
        if answer["network"]:
            yield from self._network(answer["network"])
        if answer["channels"]:
            yield from ("", "READINGS, interval by interval")
        for channel in answer["channels"]:
            yield from self._channel(channel)

    def _at(self, ms: int) -> str:
        return datetime.fromtimestamp(ms / 1000, UTC).astimezone(self._zone).isoformat()

    def _clock(self, ms: int) -> str:
        """The time of day; with the date where that is not the window's."""
        at = datetime.fromtimestamp(ms / 1000, UTC).astimezone(self._zone)
        start = datetime.fromtimestamp(self._answer["window"]["start_ms"] / 1000, UTC).astimezone(self._zone)
        text = at.strftime("%H:%M:%S")
        return text if at.date() == start.date() else f"{at:%Y-%m-%d} {text}"

    def _total(self, row: Row) -> Iterator[str]:
        what = f"scope {row['scope']}, {row['carrier'] or 'all carriers'}, {row['basis']}"
        energy = f" of {exact(row['energy_micro'])} {row['base_unit']}" if row["carrier"] else ""
        estimated = "" if row["estimated_share"] is None else f"estimated {share(row['estimated_share'])}, "
        yield f"  {what}: {exact(row['co2e_mg'])} kg CO2e{energy}; covered {share(row['coverage'])}, {estimated}revision {row['revision']}"

    def _emissions(self) -> Iterator[str]:
        rows = self._answer["emissions"]
        if rows:
            yield from ("", "EMISSIONS, added up in the totals")
        for row in rows:
            factor = row["factor"]
            name = " ".join(part for part in (row["meter"], row["register"]) if part) or "not covered by a contract"
            mass = product(row["energy_micro"], row["base_unit"], factor and factor["factor_mg"], row["co2e_mg"])
            yield f"  {mass}   {name}: {row['carrier']}, scope {row['scope']}, {row['basis']}, revision {row['revision']}"
            if row["why"]:
                yield f"    {row['why']}"
            if factor:
                yield f"    {_factor(factor, row['rung'])}"
            if row["entry"]:
                e = row["entry"]
                yield f"    entered by {e['by']}: {e['reason']} ({e['evidence'] or 'no evidence named'})"

    def _contracts(self) -> Iterator[str]:
        rows = self._answer["contracts"]
        if self._answer["basis"] == "market":
            yield from ("", "CONTRACTS, in the order in which they are used" if rows else "CONTRACTS: none is valid in this window")
        for row in rows:
            used = f"{exact(row['used_micro'])} of {exact(row['energy_micro'])} kWh matched up to here"
            hourly = ", hourly: what is not used in its window lapses" if row["profile"] == "hourly" else ""
            yield f"  {row['contract']} ({row['kind']}{hourly}): {exact(row['matched_micro'])} kWh in this window; {used}"
            yield f"    {exact(row['ef_mg'])} kg/kWh, {row['evidence'] or 'no evidence named'}"

    def _network(self, network: Row) -> Iterator[str]:
        yield from ("", "NETWORK, from the company's nodes upstream")
        if network["why"]:
            yield f"  {network['why']}"
        for use in network["company_uses"]:
            yield f"  {self._answer['company']} at {use['node']}: {_amount(use)}"
        own = {use["node"] for use in network["company_uses"]}
        clean = [node["node"] for node in network["nodes"] if node["node"] not in own and node["co2e_mg"] == 0]
        for node in network["nodes"]:
            if node["node"] not in clean:
                yield from self._node(node)
        if clean:
            yield f"  upstream without carbon: {', '.join(clean)} (--json has their flows)"
        if network["nodes_not_shown"]:
            yield f"  {network['nodes_not_shown']} nodes farther upstream are not shown"
        factor = network["grid_factor"]
        if factor:
            yield f"  grid import is valued with {_factor(factor, factor['rung'])}"
        if network["residual_mg"] is not None:
            yield f"  left over by the solver in this window: {network['residual_mg']} mg"

    def _node(self, node: Row) -> Iterator[str]:
        yield f"  node {node['node']}: {_amount(node)}"
        if node["why"]:
            yield f"    {node['why']}"
        for edge in node["edges_in"]:
            if edge["energy_micro"] != 0:
                yield f"    in  from {edge['from']} by {edge['edge']}: {_amount(edge)}; lost on the way {_brief(edge['loss'])}"
        for source in node["sources"]:
            if source["energy_micro"] != 0:
                yield f"    in  {source['kind']} {source['source']}: {_amount(source)}"
        for row in node["unmetered"]:
            yield f"    in  unmetered generation of {row['company'] or 'the zone'}: {_amount(row)}"
        load = "none is metered" if node["load"]["energy_micro"] is None else _brief(node["load"])
        yield f"    out load {load}; imbalance {_brief(node['imbalance'])}; untraced {_brief(node['untraced'])}"
        for storage in node["storages"]:
            moved = ", ".join(f"{name} {_brief(storage[name])}" for name in ("charge", "discharge", "written_off", "adjustment")
                              if storage[name]["energy_micro"] is not None)  # fmt: skip
            yield f"    storage {storage['source']} ({storage['method']}) holds {_amount(storage['held'])}; {moved}"

    def _channel(self, channel: Row) -> Iterator[str]:
        row, log, unit = channel["interval"], channel["log"], channel["base_unit"]
        sign = "minus " if channel["sign"] < 0 else ""
        name = f"  {channel['meter']} {channel['register']} ({channel['carrier']}, {channel['direction']})"
        if row is None:
            yield f"{name}: {channel['why']}"
        else:
            state = f"{row['quality']}{', by ' + row['method'] if row['method'] else ''}"
            yield (f"{name}: {sign}{exact(row['value_micro'])} {unit}, {state}, covered {row['covered_ms'] / 1000:g} s,"
                   f" revision {row['revision']}, run {row['run']}")  # fmt: skip
        for segment in log["segments"]:
            yield f"    {self._segment(segment, unit)}"
        yield from self._sum(row, log, unit)
        for r in log["readings"]:
            where = f"{r['topic']} partition {r['partition']} offset {r['offset']} item {r['item']}"
            remark = f"  refused: {r['refused']}" if r["refused"] else "" if r["is_used"] else "  said again or not used"
            yield f"    {self._clock(r['ts_ms'])}  {r['value']!r}  {where}{remark}"
        if log["why"]:
            yield f"    {log['why']}"

    def _segment(self, s: Row, unit: str) -> str:
        times = f"{self._clock(s['from_ms'])} to {self._clock(s['to_ms'])}"
        if s["energy_micro"] is None:
            return (
                f"{times}: the register fell from {s['first']!r} to {s['last']!r}: a roll-over, reset or swap; see the row's method"
            )
        length_ms = s["to_ms"] - s["from_ms"]
        scale = f" x {s['multiplier']:g}" if s["multiplier"] != 1 else ""
        scale += f" x {s['units_per_base']:.10g} {unit}/{s['unit']}" if s["unit"] != unit else ""
        rise = f"({s['last']!r} - {s['first']!r}) {s['unit']}" if s["first"] is not None else f"{s['last']!r} {s['unit']}"
        part = "" if s["in_window_ms"] == length_ms else f", x {s['in_window_ms'] // 1000}/{length_ms // 1000} s in the window"
        total = exact(s["energy_micro"])
        return f"{times}: {rise}{scale} = {total} {unit}{part}" + (f" = {exact(s['evenly_micro'])} {unit}" if part else "")

    def _sum(self, row: Row | None, log: Row, unit: str) -> Iterator[str]:
        """Where the readings, used evenly, do not come to the ledger's value: how much, and that the row says why."""
        if row is None or row["value_micro"] is None or log["evenly_micro"] is None or not log["is_bounded"]:
            return
        rest = row["value_micro"] - log["evenly_micro"]
        if abs(rest) > len(log["segments"]):
            yield f"    the ledger has {exact(rest)} {unit} more or less than that: {row['quality']} by {row['method']}"


def _factor(factor: Row, rung: str) -> str:
    """A factor with where it comes from."""
    said = f"published {factor['published']}" if factor["published"] else "no date of publication"
    trust = f", confidence {factor['confidence']}" if factor["confidence"] else ""
    source = factor["source"] or "no source named"
    where = f" {factor['source_url']}" if factor["source_url"] else ""
    return f"factor {factor['factor']}: {factor['value']:.10g} {factor['unit']}, rung {rung}, {said}{trust}; {source}{where}"


def _amount(row: Row) -> str:
    """Energy x intensity = carbon."""
    if row["energy_micro"] is None:
        return "unknown"
    if row["co2e_mg"] is None:
        return f"{exact(row['energy_micro'])} kWh, carbon unknown"
    if row["g_per_kwh"] is None:
        return f"{exact(row['energy_micro'])} kWh, {exact(row['co2e_mg'])} kg"
    return f"{exact(row['energy_micro'])} kWh x {row['g_per_kwh']:.6f} g/kWh = {exact(row['co2e_mg'])} kg"


def _brief(row: Row) -> str:
    """Energy and carbon."""
    if row["energy_micro"] == 0 and not row["co2e_mg"]:
        return "0"
    return "unknown" if row["energy_micro"] is None else f"{exact(row['energy_micro'])} kWh ({exact(row['co2e_mg'])} kg)"
