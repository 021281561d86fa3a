"""The sections `network`, `contracts` and `entries` of zone.yaml, each read into its entities."""

from fractions import Fraction
from typing import Final, Literal

from zonepulse.schemas.factors.series import micro_values
from zonepulse.schemas.registry.model import Contract, Edge, Entry, Network, Source
from zonepulse.schemas.units import MICRO
from zonepulse.schemas.zone_file.positions import Fields, Place, Reader
from zonepulse.schemas.zone_file.series_section import series_reader
from zonepulse.schemas.zone_file.values import COUNT, IDENTIFIER, NUMBER, TEXT, Clock, one_of, optional

SourceKind = Literal["grid_import", "pv", "chp", "generation", "storage"]
_SOURCE_KIND: Final[Reader[SourceKind]] = one_of("grid_import", "pv", "chp", "generation", "storage")
_METHOD: Final[Reader[Literal["average", "fifo"]]] = one_of("average", "fifo")
_CONTRACT_KIND: Final[Reader[Literal["gec", "ppa"]]] = one_of("gec", "ppa")
_EDGE_KEYS: Final = ("id", "from", "to", "meter_from", "meter_to", "valid_from", "valid_to")
_SOURCE_KEYS: Final = ("id", "node", "kind", "meter", "method", "efficiency", "initial")
_STORAGE_KEYS: Final = ("method", "efficiency", "initial")
_CONTRACT_KEYS: Final = ("id", "company", "kind", "mwh", "hourly", "vintage", "valid_from", "valid_to", "ef", "evidence")
_ENTRY_KEYS: Final = ("id", "company", "carrier", "kg", "at", "occurred", "by", "reason", "evidence")
_NO_VALIDITY: Final = "a source is valid as long as its meter; give the meter a version that ends"
_MICRO_PER_MWH: Final = 1000 * MICRO


def read_network(place: Place, clock: Clock) -> Network:
    """The electricity network: its nodes in the order of the file, its lines and its sources."""
    f = Fields(place, ("nodes", "edges", "sources"))
    return Network(
        nodes=tuple(IDENTIFIER.read(node) for node in f.items("nodes")),
        edges=tuple(_read_edge(edge, clock) for edge in f.items("edges")),
        sources=tuple(_read_source(source) for source in f.items("sources")),
    )


def _read_edge(place: Place, clock: Clock) -> Edge:
    f = Fields(place, _EDGE_KEYS)
    start, end = clock.validity(f)
    edge, from_node, to_node = f.need("id", IDENTIFIER), f.need("from", IDENTIFIER), f.need("to", IDENTIFIER)
    meter_from, meter_to = f.read("meter_from", IDENTIFIER, ""), f.read("meter_to", IDENTIFIER, "")
    if f.is_mapping and f.place_of("meter_from") is None and f.place_of("meter_to") is None:
        place.fail(
            "has no meter", "name what measures it: `meter_from` at its sending end, `meter_to` at its receiving end, or both"
        )
    return Edge(edge, from_node, to_node, meter_from, meter_to, start, end)


def _read_source(place: Place) -> Source:
    f = Fields(place, _SOURCE_KEYS, {"valid_from": _NO_VALIDITY, "valid_to": _NO_VALIDITY})
    node, kind, meter = f.need("node", IDENTIFIER), f.need("kind", _SOURCE_KIND), f.need("meter", IDENTIFIER)
    for name in _STORAGE_KEYS if kind != "storage" else ():
        if (given := f.place_of(name)) is not None:
            given.fail(f"belongs to storages, not to {kind}", "remove it, or write kind: storage")
    initial_micro, initial_mg = f.read("initial", _INITIAL, (0, 0))
    return Source(
        id=f.read("id", IDENTIFIER, meter),
        node=node,
        kind=kind,
        meter=meter,
        method=f.read("method", _METHOD, "average"),
        efficiency=_efficiency(f),
        initial_micro=initial_micro,
        initial_mg=initial_mg,
    )


def _efficiency(f: Fields) -> Fraction:
    efficiency = f.read("efficiency", NUMBER, Fraction(1))
    place = f.place_of("efficiency")
    if place is not None and not 0 < efficiency <= 1:
        place.fail(f"{place.shown} is no efficiency", "write what comes back of one unit: above 0, at most 1, such as 0.9")
    return efficiency


def _initial(place: Place) -> tuple[int, int]:
    """Energy (micro-kWh) and carbon (mg) that a storage holds at first."""
    f = Fields(place, ("kwh", "g_per_kwh"))
    kwh, g_per_kwh = f.need("kwh", NUMBER), f.need("g_per_kwh", NUMBER)
    if kwh < 0 or g_per_kwh < 0:
        place.fail("is negative", "write amounts of zero or more")
    return round(kwh * MICRO), round(kwh * g_per_kwh * 1000)


_INITIAL: Final[Reader[tuple[int, int]]] = Reader(_initial, (0, 0), "{kwh: 0, g_per_kwh: 0}")


def read_contract(place: Place, clock: Clock) -> Contract:
    """Certificates or a power purchase agreement. A step's energy is rounded to micro-kWh, half to even; so is the volume."""
    f = Fields(place, _CONTRACT_KEYS)
    contract, company, kind = f.need("id", IDENTIFIER), f.need("company", IDENTIFIER), f.need("kind", _CONTRACT_KIND)
    start, end = f.need("valid_from", clock.start), f.need("valid_to", clock.end)
    mwh = f.read("mwh", optional(NUMBER), None)
    hourly = f.read("hourly", optional(series_reader(clock)), None)
    if f.is_mapping and (mwh is None) == (hourly is None):
        place.fail("needs exactly one of `mwh` and `hourly`", "write the volume in `mwh`, or a profile of kWh per step in `hourly`")
    return Contract(
        id=contract,
        company=company,
        kind=kind,
        energy_micro=round((mwh or 0) * _MICRO_PER_MWH) if hourly is None else sum(micro_values(hourly)),
        vintage=f.read("vintage", optional(COUNT), None),
        valid_from_ms=start,
        valid_to_ms=end,
        ef_mg=round(f.read("ef", NUMBER, Fraction(0)) * MICRO),
        evidence=f.read("evidence", TEXT, ""),
        hourly=hourly,
    )


def read_entry(place: Place, clock: Clock) -> Entry:
    """A manual entry; it occurred at `at` unless `occurred` says otherwise."""
    f = Fields(place, _ENTRY_KEYS)
    entry, company, carrier = f.need("id", IDENTIFIER), f.need("company", IDENTIFIER), f.need("carrier", IDENTIFIER)
    kg, at_ms = f.need("kg", NUMBER), f.need("at", clock.moment)
    f.read("occurred", clock.moment, 0)
    occurred = f.place_of("occurred") or f.place_of("at")
    return Entry(
        id=entry,
        company=company,
        carrier=carrier,
        value_micro=round(kg * MICRO),
        at_ms=at_ms,
        occurred=occurred.text if occurred else "",
        by=_need_words(f, "by", "who entered it"),
        reason=_need_words(f, "reason", "why, and how it was measured"),
        evidence=f.read("evidence", TEXT, ""),
    )


def _need_words(f: Fields, name: str, what: str) -> str:
    text = f.need(name, Reader(TEXT.read, "", f'"{what}"'))
    place = f.place_of(name)
    if place is not None and not text.strip():
        place.fail("is empty", f"write {what}")
    return text
