"""The sections `contracts` and `entries` of zone.yaml, each read into its entities."""

from fractions import Fraction
from typing import Final, Literal

from zonepulse.schemas.factors.series import micro_values
from zonepulse.schemas.registry.model import Contract, Entry
from zonepulse.schemas.units import MICRO
from zonepulse.schemas.zone_file.positions import Fields, Place, Reader
from zonepulse.schemas.zone_file.series_section import series_reader
from zonepulse.schemas.zone_file.values import COUNT, IDENTIFIER, NUMBER, TEXT, Clock, one_of, optional

_CONTRACT_KIND: Final[Reader[Literal["gec", "ppa"]]] = one_of("gec", "ppa")
_CONTRACT_KEYS: Final = ("id", "company", "kind", "mwh", "hourly", "vintage", "valid_from", "valid_to", "ef", "evidence")
_ENTRY_KEYS: Final = ("id", "company", "carrier", "kg", "at", "occurred", "by", "reason", "evidence")
_MICRO_PER_MWH: Final = 1000 * MICRO


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
