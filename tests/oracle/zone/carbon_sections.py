"""The sections network, contracts and entries of zone.yaml."""

from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from zonepulse.oracle.zone.registry import ALWAYS, FOREVER, Contract, Edge, Entry, Network, Series, Source
from zonepulse.oracle.zone.yaml_times import duration_ms, instant_ms


def read_series(node: dict[str, Any], timezone: ZoneInfo) -> Series:
    """Values of consecutive steps."""
    values = tuple(None if value is None else Fraction(value) for value in node["values"])
    return Series(instant_ms(node["from"], timezone, 0), duration_ms(node["step"]), values)


def read_network(node: dict[str, Any], timezone: ZoneInfo) -> Network:
    """Nodes, edges and sources in the order in which they are written."""
    return Network(
        tuple(node.get("nodes") or ()),
        tuple(_edge(row, timezone) for row in node.get("edges") or ()),
        tuple(_source(row) for row in node.get("sources") or ()),
    )


def _edge(row: dict[str, Any], timezone: ZoneInfo) -> Edge:
    return Edge(
        id=row["id"],
        from_node=row["from"],
        to_node=row["to"],
        meter_from=row.get("meter_from") or "",
        meter_to=row.get("meter_to") or "",
        valid_from_ms=instant_ms(row.get("valid_from"), timezone, ALWAYS),
        valid_to_ms=instant_ms(row.get("valid_to"), timezone, FOREVER),
    )


def _source(row: dict[str, Any]) -> Source:
    initial = row.get("initial") or {}
    kwh, g_per_kwh = Fraction(initial.get("kwh") or 0), Fraction(initial.get("g_per_kwh") or 0)
    return Source(
        id=row.get("id") or row["meter"],
        node=row["node"],
        kind=row["kind"],
        meter=row["meter"],
        method=row.get("method") or "average",
        efficiency=Fraction(row.get("efficiency") or 1),
        initial_micro=round(kwh * 1_000_000),
        initial_mg=round(kwh * g_per_kwh * 1000),
    )


def read_contract(row: dict[str, Any], timezone: ZoneInfo) -> Contract:
    """A contract; of an hourly one the volume is not used."""
    hourly = row.get("hourly")
    return Contract(
        id=row["id"],
        company=row["company"],
        valid_from_ms=instant_ms(row["valid_from"], timezone, ALWAYS),
        valid_to_ms=instant_ms(row["valid_to"], timezone, FOREVER),
        ef_mg=round(Fraction(row.get("ef") or 0) * 1_000_000),
        energy_micro=round(Fraction(row.get("mwh") or 0) * 10**9),
        hourly=None if hourly is None else read_series(hourly, timezone),
    )


def read_entry(row: dict[str, Any], timezone: ZoneInfo) -> Entry:
    """A manual entry."""
    at_ms = instant_ms(row["at"], timezone, 0)
    return Entry(row["id"], row["company"], row["carrier"], round(Fraction(row["kg"]) * 1_000_000), at_ms)
