"""Which emission factor answers when.

A look-up asks a company's own factors first (rung `company`), then the zone's `factor_regions` in order. Within a rung a
factor of basis `location` comes before one of basis `default`; other bases (footprint, market_residual, ets, ...) are other
quantities: a location look-up never takes them, and the residual look-up takes nothing else. Confidence L means unverified: never
used. A factor fits only a channel of its base unit. Where a series has no value the next rung answers; before the first validity
nothing does.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final

from zonepulse.schemas.carriers import REFRIGERANT, activity_of
from zonepulse.schemas.factors.gwp import GWP_RUNG
from zonepulse.schemas.factors.series import spans
from zonepulse.schemas.factors.shipped import LOOKUP_BASES, OWN_RUNG, UNVERIFIED
from zonepulse.schemas.registry.model import ALWAYS, FOREVER, Factor

NOTHING: Final = Fraction(0)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a look-up finds in [from_ms, to_ms): no factor (rung ''), one, or several, which is ambiguous."""

    from_ms: int
    to_ms: int
    rung: str
    factors: tuple[Factor, ...]
    kg_per_base: Fraction = NOTHING
    """kg CO2e per base unit by the first of the factors, throughout."""


def choices(
    factors: Iterable[Factor],
    carrier: str,
    company: str,
    regions: Sequence[str],
    base_unit: str,
    bases: Sequence[str] = LOOKUP_BASES,
) -> list[Choice]:
    """What a look-up finds over all time, in order, without gaps from ALWAYS to FOREVER. n log n in the number of steps."""
    levels = [(rung, basis) for rung in rungs_of(carrier, regions) for basis in bases]
    usable = [f for f in factors if is_usable(f, carrier, base_unit, bases)]
    begins, ends = _edges(usable, levels, company)
    valid: list[dict[int, Fraction]] = [{} for _ in levels]
    out: list[Choice] = []
    for start, end in pairwise(sorted({ALWAYS, FOREVER, *begins, *ends})):
        for level, number in ends.get(start, ()):
            del valid[level][number]
        for level, number, kg in begins.get(start, ()):
            valid[level][number] = kg
        out.append(_first(start, end, levels, valid, usable))
    return _joined(out)


def rungs_of(carrier: str, regions: Sequence[str]) -> tuple[str, ...]:
    """Where a carrier's factors are looked for, in order: GWPs know no region."""
    return (OWN_RUNG, GWP_RUNG) if carrier.startswith(REFRIGERANT) else (OWN_RUNG, *regions)


def is_usable(factor: Factor, carrier: str, base_unit: str, bases: Sequence[str] = LOOKUP_BASES) -> bool:
    """Whether a look-up of this carrier may take the factor at all."""
    return (
        factor.activity == activity_of(carrier)
        and factor.base_unit == base_unit
        and factor.basis in bases
        and factor.confidence != UNVERIFIED
    )


def who_answers(factors: Iterable[Factor], carrier: str, company: str) -> str:
    """The company where it has factors of its own for the carrier, else '': those of regions answer everybody alike."""
    activity = activity_of(carrier)
    return company if company and any(f.company == company and f.activity == activity for f in factors) else ""


def factor_spans(factor: Factor) -> Iterator[tuple[int, int, Fraction]]:
    """(from_ms, to_ms, kg per base unit) of what a factor says, in order: its validity, or the steps of its series."""
    if factor.series is None and factor.valid_from_ms < factor.valid_to_ms:  # else a mistake that is told elsewhere
        yield factor.valid_from_ms, factor.valid_to_ms, factor.kg_per_base
    if factor.series is None:
        return
    for start, end, value in spans(factor.series):
        first, last = max(start, factor.valid_from_ms), min(end, factor.valid_to_ms)
        if value is not None and first < last:
            yield first, last, factor.kg_per_base * value


Begins = dict[int, list[tuple[int, int, Fraction]]]
Ends = dict[int, list[tuple[int, int]]]


def _edges(usable: list[Factor], levels: list[tuple[str, str]], company: str) -> tuple[Begins, Ends]:
    """At each instant: (level, factor, kg) that begins, and (level, factor) that ends."""
    begins: Begins = defaultdict(list)
    ends: Ends = defaultdict(list)
    for number, factor in enumerate(usable):
        rung = OWN_RUNG if factor.company else factor.region
        if (rung, factor.basis) not in levels or (factor.company and factor.company != company):
            continue
        level = levels.index((rung, factor.basis))
        for start, end, kg in factor_spans(factor):
            begins[start].append((level, number, kg))
            ends[end].append((level, number))
    return begins, ends


def _first(start: int, end: int, levels: list[tuple[str, str]], valid: list[dict[int, Fraction]], usable: list[Factor]) -> Choice:
    for (rung, _), found in zip(levels, valid, strict=True):
        if found:
            numbers = sorted(found)
            return Choice(start, end, rung, tuple(usable[n] for n in numbers), found[numbers[0]])
    return Choice(start, end, "", ())


def _joined(found: list[Choice]) -> list[Choice]:
    """Neighbours that say the same as one."""
    out: list[Choice] = []
    for choice in found:
        last = out[-1] if out else None
        if last and (last.rung, last.kg_per_base, last.factors) == (choice.rung, choice.kg_per_base, choice.factors):
            choice = Choice(out.pop().from_ms, choice.to_ms, choice.rung, choice.factors, choice.kg_per_base)
        out.append(choice)
    return out
