"""The sections of zone.yaml, each read into its entity. What needs more than one entity is in checks/zone.py."""

from fractions import Fraction
from typing import Final, Literal, get_args

from zonepulse.schemas.factors.steam import gj_per_tonne
from zonepulse.schemas.problems import nearest
from zonepulse.schemas.registry.calendar import offsets_of
from zonepulse.schemas.registry.model import (
    ALERT_BUDGET,
    Detector,
    Direction,
    Kind,
    MeterVersion,
    Register,
    Role,
    Steam,
    ZonePolicy,
)
from zonepulse.schemas.units import UnknownUnit, to_micro
from zonepulse.schemas.values import BadValue
from zonepulse.schemas.zone_file.positions import Fields, Place, Reader
from zonepulse.schemas.zone_file.values import (
    COUNT,
    DAY,
    DURATION,
    IDENTIFIER,
    LOCALISED,
    NUMBER,
    TEXT,
    TIMEZONE,
    TRUTH,
    ZONE_ID,
    Clock,
    one_of,
    optional,
)

_ROLE: Final[Reader[Role]] = one_of("main", "sub", "generation", "storage", "production", "boundary")
_DIRECTION: Final[Reader[Direction]] = one_of("import", "export", "generation", "consumption", "charge", "discharge")
_KIND: Final[Reader[Kind]] = one_of("cumulative", "interval", "power")
_ON_RESET: Final[Reader[Literal["unknown", "zero"]]] = one_of("unknown", "zero")
_STAMP: Final[Reader[Literal["end", "start"]]] = one_of("end", "start")
_REFERENCE: Final = one_of("0C", "20C")
_GWP: Final[Reader[Literal["", "AR4", "AR5", "AR6"]]] = one_of("AR4", "AR5", "AR6")
_ZONE_KEYS: Final = (
    "id", "name", "factor_regions", "timezone", "key", "window", "tick", "live", "delay", "lateness", "future", "idle", "max_gap",
    "vee", "gwp", "factors_as_of", "alert_budget", "calendar", "expected",
)  # fmt: skip
_METER_KEYS: Final = ("id", "site", "gateway", "role", "parent", "registers", "detect", "kwp", "valid_from", "valid_to")
_REGISTER_KEYS: Final = (
    "carrier", "direction", "kind", "unit", "reference", "multiplier", "modulus", "max_power", "period", "ef",
    "steam", "on_reset", "stamp", "offset", "counts", "detect", "kwp",
)  # fmt: skip
DEFAULT_WINDOW_MS: Final = 900_000
_Detect = tuple[Detector, ...] | None
_OfAll = tuple[_Detect, Fraction | None]
"""What a meter says of those of its registers that do not say it themselves: detectors, peak power."""


def read_zone(place: Place) -> ZonePolicy:
    """The zone's own settings; defaults where a setting is absent."""
    f = Fields(place, _ZONE_KEYS)
    vee_place = f.place_of("vee")
    vee = Fields(vee_place, ("n_confirm", "boundary_tolerance")) if vee_place else None
    zone_id = f.need("id", ZONE_ID)
    timezone = f.need("timezone", TIMEZONE)
    return ZonePolicy(
        id=zone_id,
        name=_name(f, zone_id),
        factor_regions=tuple(IDENTIFIER.read(p) for p in f.items("factor_regions")),
        timezone=timezone,
        key=f.read("key", one_of("gateway", "site", "meter"), "gateway"),
        window_ms=f.read("window", DURATION, DEFAULT_WINDOW_MS),
        tick_ms=f.read("tick", DURATION, 60_000),
        live_ms=f.read("live", DURATION, 5_000),
        delay_ms=f.read("delay", DURATION, 60_000),
        lateness_ms=f.read("lateness", DURATION, 7_200_000),
        future_ms=f.read("future", DURATION, 300_000),
        idle_ms=f.read("idle", DURATION, 10_000),
        max_gap_ms=f.read("max_gap", DURATION, 7 * 86_400_000),
        n_confirm=vee.read("n_confirm", COUNT, 3) if vee else 3,
        boundary_tolerance_ms=vee.read("boundary_tolerance", DURATION, 60_000) if vee else 60_000,
        gwp=f.read("gwp", _GWP, ""),
        factors_as_of=f.read("factors_as_of", DAY, ""),
        utc_offsets=offsets_of(timezone),
        alert_budget=f.read("alert_budget", _BUDGET, ALERT_BUDGET),
        calendar=f.read("calendar", IDENTIFIER, ""),
        expected=f.read("expected", TRUTH, False),
    )


def read_meter(place: Place, clock: Clock, window_ms: int) -> MeterVersion:
    """One validity of a meter, with its registers."""
    f = Fields(place, _METER_KEYS)
    meter, site, role = f.need("id", IDENTIFIER), f.need("site", IDENTIFIER), f.need("role", _ROLE)
    start, end = clock.validity(f)
    of_all = f.read("detect", _DETECT, None), f.read("kwp", optional(_KWP), None)
    registers_in: Reader[tuple[Register, ...]] = Reader(lambda p: _read_registers(p, window_ms, of_all), (), '{"1.8.0": {...}}')
    registers = f.need("registers", registers_in)
    return MeterVersion(
        meter, site, f.read("gateway", IDENTIFIER, ""), role, f.read("parent", IDENTIFIER, ""), registers, start, end
    )


def _read_registers(place: Place, window_ms: int, of_all: _OfAll) -> tuple[Register, ...]:
    members = place.members()
    if not members and isinstance(place.node.value, list):
        place.fail("the meter has no registers", 'add one, such as "1.8.0": {carrier: electricity, ...}')
    return tuple(_read_register(IDENTIFIER.read(key), value, window_ms, of_all) for key, value in members)


def _read_register(register: str, place: Place, window_ms: int, of_all: _OfAll) -> Register:
    f = Fields(place, _REGISTER_KEYS)
    carrier, kind, unit = f.need("carrier", IDENTIFIER), f.need("kind", _KIND), f.need("unit", TEXT)
    reference = f.read("reference", optional(_REFERENCE), None)
    base_unit, scale = _unit(f, unit, carrier, kind, reference)
    steam = f.read("steam", optional(_STEAM), None)
    if steam is not None:
        base_unit, scale = _steam_unit(f, steam, carrier, base_unit, scale)
    return Register(
        id=register,
        carrier=carrier,
        direction=f.need("direction", _DIRECTION),
        kind=kind,
        unit=unit,
        base_unit=base_unit,
        scale=scale,
        multiplier=f.read("multiplier", NUMBER, Fraction(1)),
        modulus=f.read("modulus", optional(NUMBER), None),
        max_power=_max_power(f, base_unit),
        period_ms=f.read("period", DURATION, window_ms),
        ef_kg=f.read("ef", NUMBER, Fraction(0)),
        reference=reference,
        steam=steam,
        on_reset=f.read("on_reset", _ON_RESET, "unknown"),
        stamp=f.read("stamp", _STAMP, "end"),
        offset_ms=f.read("offset", DURATION, 0),
        counts=f.read("counts", TRUTH, True),
        detect=f.read("detect", _DETECT, of_all[0]),
        kwp=f.read("kwp", optional(_KWP), of_all[1]),
    )


def _read_detect(place: Place) -> _Detect:
    """`on`, `off`, or the names of detectors, in their own order."""
    if isinstance(place.node.value, list):
        named = {_DETECTOR.read(item) for item in place.items()}
        return tuple(name for name in get_args(Detector) if name in named)
    return None if _IS_ON.read(place) == "on" else ()


def _read_kwp(place: Place) -> Fraction:
    peak = NUMBER.read(place)
    if 1000 * peak < 1:
        place.fail(f"{place.shown} is no peak power", "write the panels' kW in full sun, such as 4.5")
        return Fraction(1)
    return peak


def _read_budget(place: Place) -> Fraction:
    budget = NUMBER.read(place)
    if budget <= 0:
        place.fail(f"{place.shown} is no budget", "write alerts a channel-month, above zero, such as 0.009")
        return ALERT_BUDGET
    return budget


_DETECTOR: Final[Reader[Detector]] = one_of(*get_args(Detector))
_IS_ON: Final = one_of("on", "off")
_DETECT: Final[Reader[_Detect]] = Reader(_read_detect, None, "[unusual, zero_run]")
_BUDGET: Final = Reader(_read_budget, ALERT_BUDGET, "0.009")
_KWP: Final = Reader(_read_kwp, Fraction(1), "4.5")


def _max_power(f: Fields, base_unit: str) -> Fraction:
    """The bound that every reading is judged by; whoever leaves it out is told how to find it."""
    if "max_power" in f or not f.is_mapping:
        return f.need("max_power", NUMBER)
    per_hour = {"": "base units per hour", "kWh": "kW", "kvarh": "kvar"}.get(base_unit, f"{base_unit}/h")
    f.place.fail(
        "`max_power` is missing",
        f"no reading can be judged without it: add it in {per_hour}, after the multiplier: what fuse "
        "(0.69 x A = kW at 400 V), transformer, boiler or pipe lets through, "
        "or 4 x the largest hour known",
    )
    return Fraction(1)


def _unit(f: Fields, unit: str, carrier: str, kind: str, reference: str | None) -> tuple[str, Fraction]:
    place = f.place_of("unit")
    if place is not None and carrier:
        try:
            return to_micro(unit, carrier, kind, reference)
        except UnknownUnit as error:
            what, _, known = str(error).partition("; known: ")
            place.fail(
                what, nearest(unit, known.split(", "), f"known units: {known}") if known else "add which one the meter corrects to"
            )
    return "", Fraction(1)


def _read_steam(place: Place) -> Steam:
    f = Fields(place, ("pressure_mpa", "temperature_c", "reference_kj_per_kg"))
    if f.is_mapping and "temperature_c" not in f:
        place.fail("`temperature_c` is missing", "add `temperature_c: null` for saturated steam, or its temperature")
    return Steam(
        f.need("pressure_mpa", NUMBER), f.read("temperature_c", optional(NUMBER), None), f.need("reference_kj_per_kg", NUMBER)
    )


_STEAM: Final[Reader[Steam]] = Reader(_read_steam, Steam(Fraction(1), None, Fraction(0)), "{pressure_mpa: 0.8, ...}")


def _steam_unit(f: Fields, steam: Steam, carrier: str, base_unit: str, scale: Fraction) -> tuple[str, Fraction]:
    """GJ and micro-GJ in one unit of mass; the unit as it was where that is impossible."""
    place = f.place_of("steam")
    if place is None or not base_unit or place.has_failed:
        return base_unit, scale
    if carrier != "steam" or base_unit != "kg":
        place.fail(f"belongs to steam in t or kg, not to {carrier} in {base_unit}", "remove it, or mend carrier and unit")
        return base_unit, scale
    try:
        return "GJ", scale / 1000 * gj_per_tonne(steam)
    except BadValue as error:
        place.fail(error.what, error.remedy)
        return base_unit, scale


def _name(f: Fields, entity: str) -> dict[str, str]:
    return f.read("name", LOCALISED, {}) or {"en": entity}
