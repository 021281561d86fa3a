"""Factor look-up: which emission factor a quantity takes at an instant, and for how long."""

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction

from zonepulse.schemas.carriers import activity_of
from zonepulse.schemas.factors.choices import Choice, choices
from zonepulse.schemas.factors.shipped import LOOKUP_BASES, RESIDUAL_BASES
from zonepulse.schemas.registry.model import Factor, Registry
from zonepulse.schemas.units import MICRO


class AmbiguousFactor(ValueError):
    """Several factors fit at one time; a validated registry has none for its own channels."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The factor that answers in [valid_from_ms, valid_to_ms). `rung` is `company` or the region that answered."""

    factor_id: str
    rung: str
    factor_mg: int
    """mg CO2e per base unit x 1e6, that is kg per base unit x 1e6, rounded half to even."""
    valid_from_ms: int
    valid_to_ms: int


Span = tuple[int, int, Resolved | None]
"""[from_ms, to_ms) and what answers in it."""


def factor_mg(kg_per_base: Fraction) -> int:
    """kg CO2e per base unit -> the integer that kernels multiply with: rint(kg x 1e6), half to even, on the exact value."""
    return round(kg_per_base * MICRO)


class FactorTable:
    """The factors of one registry version. Immutable; keeps the timelines it has worked out."""

    def __init__(self, registry: Registry) -> None:
        self._factors: dict[tuple[str, str], list[Factor]] = {}
        """By (company or '', activity)."""
        for f in registry.factors:
            self._factors.setdefault((f.company, f.activity), []).append(f)
        self._regions = registry.zone.factor_regions
        self._lines: dict[tuple[str, str, str, tuple[str, ...]], tuple[list[int], list[Span]]] = {}
        self._has_residual: dict[str, bool] = {}

    def location(self, carrier: str, company: str, base_unit: str, at_ms: int) -> Resolved | None:
        """The factor at an instant; None where there is none. `company` is '' for the zone itself. Raises AmbiguousFactor.

        Also of what is entered by hand: `refrigerant:R-410A` and `process:welding`, base unit kg.
        """
        return _at(self._line(carrier, company, base_unit), at_ms)

    def timeline(self, carrier: str, company: str, base_unit: str) -> list[Span]:
        """What answers over all time, in order and without gaps; a series gives a span a step. Raises AmbiguousFactor."""
        return list(self._line(carrier, company, base_unit)[1])

    def residual(self, company: str, at_ms: int) -> Resolved | None:
        """The factor of electricity (kWh) that no contract covers; None where there is none. Raises AmbiguousFactor."""
        return _at(self._line("electricity", company, "kWh", RESIDUAL_BASES), at_ms)

    def residual_timeline(self, company: str) -> list[Span]:
        """What answers for uncovered electricity over all time, in order and without gaps. Raises AmbiguousFactor."""
        return list(self._line("electricity", company, "kWh", RESIDUAL_BASES)[1])

    def who(self, carrier: str, company: str) -> str:
        """The company where it has own factors for the carrier, else '': companies of one answer share their timeline."""
        return company if (company, activity_of(carrier)) in self._factors else ""

    def has_residual(self, company: str) -> bool:
        """Whether any factor ever answers for a company's uncovered electricity. Raises AmbiguousFactor."""
        who = self.who("electricity", company)
        if who not in self._has_residual:
            self._has_residual[who] = any(found for *_, found in self.residual_timeline(who))
        return self._has_residual[who]

    def _candidates(self, carrier: str, who: str) -> list[Factor]:
        """Those of everybody and of `who` alone: companies with factors of their own do not look at each other's."""
        activity = activity_of(carrier)
        return [f for name in dict.fromkeys(("", who)) for f in self._factors.get((name, activity), ())]

    def _line(
        self, carrier: str, company: str, base_unit: str, bases: tuple[str, ...] = LOOKUP_BASES
    ) -> tuple[list[int], list[Span]]:
        key = (carrier, self.who(carrier, company), base_unit, bases)
        if key not in self._lines:
            found = choices(self._candidates(carrier, key[1]), carrier, key[1], self._regions, base_unit, bases)
            spans = [(c.from_ms, c.to_ms, _resolve(c)) for c in found]
            self._lines[key] = ([s[0] for s in spans], spans)
        return self._lines[key]


def _at(line: tuple[list[int], list[Span]], at_ms: int) -> Resolved | None:
    starts, spans = line
    return spans[bisect_right(starts, at_ms) - 1][2]


def _resolve(choice: Choice) -> Resolved | None:
    if not choice.factors:
        return None
    if len(choice.factors) > 1:
        ids = " and ".join(f.id for f in choice.factors)
        raise AmbiguousFactor(f"{ids} are valid at the same time on rung {choice.rung}; end one where the other begins")
    return Resolved(choice.factors[0].id, choice.rung, factor_mg(choice.kg_per_base), choice.from_ms, choice.to_ms)
