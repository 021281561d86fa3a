"""A zone.yaml for the meters of a file: commented, valid as it is, and with every guess marked."""

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

from zonepulse.schemas.carriers import activity_of
from zonepulse.schemas.factors.shipped import channel_bears
from zonepulse.schemas.units import MICRO, UnknownUnit, to_micro
from zonepulse.schemas.values import MAX_ID_BYTES, is_usual_id, shortened
from zonepulse.streams.files.blocks import BadFile
from zonepulse.streams.survey.profile import DAY_MS, POWER_UNITS, Profile, Series, duration

_ELECTRIC: Final = frozenset({"Wh", "kWh", "MWh", "GWh", "W", "kW", "MW", "GW"})
_REACTIVE: Final = frozenset({"varh", "kvarh", "Mvarh", "var", "kvar", "Mvar"})
_CHINA: Final = ("Asia/Shanghai", "Asia/Chongqing", "PRC")
_TIMES: Final = 4
_BOUND: Final = "what fuse, transformer or pipe lets through"
_HEAD: Final = """\
# Written by `zonepulse registry new` from {sources}: {readings:,} readings.
# Everything that is a guess says CHECK. Then run:
#   zonepulse replay file --zone {zone_file} --out result/ {replay}
# Every section and key: schemas/examples/zone.yaml; mistakes are named with line and remedy.

zone:
  id: my-zone
  timezone: {timezone}   # CHECK: days and months begin by this clock
  factor_regions: [{regions}]   # whose factors of the shipped table apply, such as [CN-JS, CN]
  key: meter{max_gap}

companies:
  - {{id: my-company}}   # CHECK

sites:
  - {{id: my-site, company: my-company}}   # CHECK

{factors}meters:
"""


def zone_yaml(
    profile: Profile,
    *,
    timezone: str,
    sources: Sequence[str],
    zone_file: str = "zone.yaml",
    arrival: bool = True,
    has_options: bool = False,
) -> str:
    """The text. Raises BadFile where no meter of the file can be in a registry."""
    usable = [s for s in profile.series if _is_id(s.meter) and _is_id(s.register)]
    if not usable:
        named = "; no meter's name can be an id" if profile.series else " hold no reading"
        raise BadFile(f"{', '.join(sources)}{named}; give meters names of letters, digits and _ . : * / - (or one with --meter)")
    periods = [s.period_ms for s in usable]
    max_gap = "" if max(periods) < DAY_MS else f"\n  max_gap: {max(7, math.ceil(2 * max(periods) / DAY_MS))}d"
    replay = (
        " ".join(sources) + (" --arrival" if arrival else "") + (" (and the options that describe the file)" if has_options else "")
    )
    head = _HEAD.format(
        regions="CN" if timezone in _CHINA else "",
        factors=_factors(usable, timezone),
        sources=", ".join(sources),
        readings=profile.readings,
        timezone=timezone,
        zone_file=zone_file,
        replay=replay,
        max_gap=max_gap,
    )
    meters = sorted({s.meter for s in usable})
    body = "".join(line for meter in meters for line in _meter(meter, [s for s in usable if s.meter == meter]))
    left = sorted({f"{s.meter} {s.register}" for s in profile.series if s not in usable})
    note = f"# left out, since their names can be no ids: {shortened(', '.join(map(repr, left)))}\n" if left else ""
    return head + body + note


def _factors(usable: Sequence[Series], timezone: str) -> str:
    """A factor without a value for all that emits: energy is booked, and its carbon is null until somebody writes the value."""
    lines = []
    for carrier, unit in sorted({found for s in usable if (found := _emits(s)) is not None}):
        if carrier != "electricity" or timezone not in _CHINA:
            activity = activity_of(carrier)
            facts = f'id: my-{activity.replace(":", "-")}, activity: "{activity}", company: my-company, unit: kgCO2/{unit}'
            lines.append(f"  - {{{facts}, value: 1, valid_from: 1970-01-01, valid_to: 1970-01-02, source: none}}\n")
    head = "factors:   # CHECK: write value, validity and source; these hold for a day of 1970 only, and carbon is null so far\n"
    return head + "".join(lines) + "\n" if lines else ""


def _emits(series: Series) -> tuple[str, str] | None:
    """(carrier, base unit) of what needs a factor; None otherwise."""
    carrier, direction, unit, more, _ = _carrier(series)
    return (carrier, _scale(series, carrier, unit, more)[0]) if channel_bears("main", carrier, direction) else None


def _is_id(text: str) -> bool:
    return bool(text) and is_usual_id(text) and len(text.encode()) <= MAX_ID_BYTES


def _meter(meter: str, registers: Sequence[Series]) -> Iterator[str]:
    yield f'  - id: "{meter}"\n    site: my-site\n    role: main   # CHECK: main, sub, generation, storage, production or boundary\n'
    yield "    registers:\n"
    for series in registers:
        twin = _counts_the_same(series, registers)
        if twin:
            yield f"      # {series.register} counts what {twin} counts, too: shown, and left out of every sum. CHECK\n"
        for line in _register(series, ", counts: false" if twin else ""):
            yield f"      {line}\n"


def _counts_the_same(series: Series, registers: Sequence[Series]) -> str:
    """The register that counts this one's energy as well: the total beside a tariff, energy beside power; '' where there is none."""
    stem, _, tariff = series.register.rpartition(".")
    if tariff.isdecimal() and tariff != "0" and stem.count(".") >= 1:
        total = f"{stem}.0"
        if any(other.register == total for other in registers):
            return total
    if series.kind == "power":
        return next((o.register for o in registers if o.kind != "power" and _carrier(o)[:2] == _carrier(series)[:2]), "")
    return ""


def _register(series: Series, more_keys: str) -> Iterator[str]:
    carrier, direction, unit, more, checks = _carrier(series)
    if len(series.units) > 1:
        yield f"# CHECK: the file has the units {', '.join(series.units)}; readings in another than {unit} are refused"
    if not series.units:
        yield f"# CHECK: the file names no unit; {unit} is a guess"
    for check in checks:
        yield f"# CHECK: {check}"
    yield from _facts(series, unit)
    keys = f"carrier: {carrier}, direction: {direction}, kind: {series.kind}, unit: {unit}{more}"
    period = f", period: {duration(series.period_ms)}" if _is_regular(series) else ""
    yield f'"{series.register}": {{{keys}, max_power: {_bound(series, carrier, unit, more)}{period}{more_keys}}}'


def _facts(series: Series, unit: str) -> Iterator[str]:
    why = {
        "cumulative": f"a counter: it went from {series.low:.10g} to {series.high:.10g} and fell {series.falls} times",
        "interval": "an amount for each period, since it rises and falls",
        "power": "a power, by its unit",
    }[series.kind]
    yield f"# kind {series.kind}: {why}. CHECK"
    if series.per_hour:
        what = "advance" if series.kind == "cumulative" else "value"
        left = f", {series.jumps} jumps left out" if series.jumps else ""
        rate = unit if series.kind == "power" else f"{unit}/h"
        yield f"# max_power: {_TIMES} x the largest {what} ({series.per_hour:.6g} {rate}{left}). CHECK: {_BOUND}"
    else:
        yield f"# max_power: nothing moved, so 1 is no guess at all. CHECK: {_BOUND}"
    if series.period_ms and not _is_regular(series):
        yield f"# CHECK: period; the usual step is {duration(series.period_ms)}, with {series.gaps} longer ones"


def _carrier(series: Series) -> tuple[str, str, str, str, list[str]]:
    """(carrier, direction, unit, more keys, what to check)."""
    unit = series.units[0] if series.units else "kWh"
    code = series.register.rpartition(":")[2].partition("*")[0]
    first = code.split(".")[0] if "." in code else ""
    name = f"{series.meter} {series.register}".lower()
    if unit in _ELECTRIC:
        return "electricity", "export" if first == "2" else "import", unit, "", []
    if unit in _REACTIVE:
        return "reactive", "export" if first in ("4", "6", "7") else "import", unit, "", []
    plain = unit.removesuffix("/h")
    is_gas = plain == "Nm3" or "gas" in name
    if is_gas and plain in ("m3", "Nm3"):
        more = ", reference: 0C" if plain == "m3" else ""
        return "natural_gas", "consumption", unit, more, ["natural_gas; in m3, corrected to 0C or 20C?"]
    guess = (
        "water"
        if plain in ("m3", "L")
        else "product:goods"
        if plain == "piece"
        else "steam"
        if plain in ("t", "kg", "g")
        else "heat"
    )
    return guess, "consumption", unit, "", [f"carrier {guess} is a guess from the unit {unit}"]


def _bound(series: Series, carrier: str, unit: str, more: str) -> str:
    """Base units an hour, rounded up to two digits."""
    _, scale = _scale(series, carrier, unit, more)
    amount = Decimal(_TIMES * series.per_hour * float(scale / MICRO)) if series.per_hour else Decimal(1)
    step = Decimal(10) ** (amount.adjusted() - 1)
    return f"{(amount / step).to_integral_value('ROUND_CEILING') * step:f}"


def _scale(series: Series, carrier: str, unit: str, more: str) -> tuple[str, Fraction]:
    """The base unit, and micro-units in one of the file. Raises BadFile for a unit that no carrier has."""
    kind = "power" if unit in POWER_UNITS else series.kind
    try:
        return to_micro(unit, carrier, kind, "0C" if more else None)
    except UnknownUnit as bad:
        remedy = "convert the values to one of these, or leave the unit out"
        raise BadFile(f"meter {series.meter}, register {series.register}: {bad}; {remedy}") from bad


def _is_regular(series: Series) -> bool:
    """Whether a period can be written: whole seconds that most steps have."""
    return series.period_ms >= 1000 and series.period_ms % 1000 == 0 and series.gaps * 10 <= series.readings
