"""Benchmarks of companies: what a report says to everybody, to one company, and to the moderator; and the record that is kept of it.

The record holds the blocks of companies that a report was made of: a later report of the same indicator leaves out what would, beside it,
tell of few companies. Records are the moderator's: they hold names.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from zonepulse.processors.indicators.answers import Missing
from zonepulse.processors.indicators.disclosure import POLICY, Figures, Member, Policy, Report, report, report_of
from zonepulse.processors.indicators.evaluate import Result, evaluate
from zonepulse.processors.indicators.facts import Facts
from zonepulse.processors.indicators.measured import Measured
from zonepulse.processors.indicators.sums import Entity, Sums
from zonepulse.schemas.indicators.model import Indicator
from zonepulse.schemas.indicators.periods import Period
from zonepulse.schemas.registry.model import Registry
from zonepulse.streams.efficiency import records
from zonepulse.streams.indicators.words import reason
from zonepulse.streams.screen import BadInput

BANDS_TCE: Final = (1_000, 5_000, 10_000)
"""Edges of the size bands, tce a year at the equal value. Our choice."""
NO_SECTOR: Final = "-"
_DAYS_A_YEAR: Final = 365
_KIND: Final = "benchmark"


class Left(NamedTuple):
    """A company that cannot be compared, and why."""

    company: str
    why: str


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A report of one indicator in one period."""

    id: str
    indicator: Indicator
    period: Period
    report: Report
    pseudonyms: Mapping[str, str]
    """Company -> its name in this report alone."""
    left: tuple[Left, ...]


def bands(text: str) -> tuple[int, ...]:
    """Edges of size bands. Raises BadInput."""
    try:
        edges = tuple(int(part) for part in text.split(",")) if text else BANDS_TCE
    except ValueError as error:
        raise BadInput(f"--bands {text!r}: write whole tce, such as 1000,5000") from error
    if any(low >= high for low, high in pairwise((0, *edges))):
        raise BadInput(f"--bands {text!r}: write them in ascending order, above zero")
    return edges


def band_of(tce_a: Fraction, edges: Sequence[int]) -> str:
    """The size band of a yearly use: `<1000`, `1000-5000`, `>=10000`."""
    names = [f"<{edges[0]}", *(f"{low}-{high}" for low, high in pairwise(edges)), f">={edges[-1]}"]
    return names[sum(tce_a >= edge for edge in edges)]


def members_of(
    registry: Registry, indicator: Indicator, sums: Sums, facts: Facts, period: Period, edges: Sequence[int]
) -> tuple[list[Member], list[Left]]:  # fmt: skip
    """The companies that have a value; its size is the energy it uses. The others with the reason."""
    members, left = list[Member](), list[Left]()
    days = (period.end - period.first).days
    for company in registry.companies:
        entity = Entity("company", company.id)
        (found,) = evaluate([indicator], sums, facts, entity, period) or [Result(indicator, entity, (), ())]
        energy = Measured(sums, facts, entity).get("energy_equal_tce", "equal")
        missing = found.missing or ((energy,) if isinstance(energy, Missing) else ())
        if missing or not found.values or isinstance(energy, Missing):
            left.append(Left(company.id, "; ".join(reason(one, entity, period.text, "en") for one in missing)))
        elif found.values[0].is_provisional:
            left.append(Left(company.id, "its value is provisional: too little covered, or too much estimated"))
        else:
            band = band_of(energy.value * _DAYS_A_YEAR / days, edges)
            members.append(Member(company.id, company.sector or NO_SECTOR, band, found.values[0].value, energy.value))
    return members, left


def benchmark(
    indicator: Indicator,
    period: Period,
    members: Sequence[Member],
    left: Sequence[Left],
    earlier: Sequence[Report],
    policy: Policy = POLICY,
) -> Benchmark:
    """A report beside earlier ones, with pseudonyms of its own."""
    one = report(members, policy, earlier)
    shown = sorted(member.company for block in one.blocks for member in block)
    return Benchmark(secrets.token_hex(8), indicator, period, one, _pseudonyms(shown), tuple(left))


def _pseudonyms(companies: Collection[str]) -> dict[str, str]:
    names = set[str]()
    while len(names) < len(companies):
        names.add(secrets.token_hex(3).upper())
    order = list(names)
    secrets.SystemRandom().shuffle(order)
    return dict(zip(companies, order, strict=True))


# --- what is said -------------------------------------------------------------------------------------------------------------------


def public_document(one: Benchmark, sectors: Collection[str] = (), size_bands: Collection[str] = ()) -> dict[str, Any]:
    """What anybody may see: the figures that a filter asks for, and in which quarter each pseudonym is, within its own group."""
    figures = one.report.figures(sectors, size_bands)
    return {
        "report": one.id,
        "indicator": one.indicator.id,
        "unit": one.indicator.unit,
        "better": one.indicator.better,
        "period": one.period.text,
        "sectors": sorted(sectors),
        "size_bands": sorted(size_bands),
        "figures": None if figures is None else _figures(figures),
        "positions": _positions(one) if figures is not None and not sectors and not size_bands else [],
    }


def _figures(figures: Figures) -> dict[str, Any]:
    low, median, high = map(float, figures.quartiles)
    return {"members": figures.members, "lower_quartile": low, "median": median, "upper_quartile": high}


def _positions(one: Benchmark) -> list[dict[str, Any]]:
    found = ((pseudonym, one.report.position(company)) for company, pseudonym in one.pseudonyms.items())
    return sorted(
        ({"pseudonym": pseudonym, "quarter": position[1]} for pseudonym, position in found if position),
        key=lambda row: row["pseudonym"],
    )


def company_document(one: Benchmark, company: str) -> dict[str, Any]:
    """What a company sees besides: its own value, pseudonym and quarter in its own group; None where it is in no group."""
    position = one.report.position(company)
    value = next((float(m.value) for block in one.report.blocks for m in block if m.company == company), None)
    return {
        "company": company,
        "value": value,
        "pseudonym": one.pseudonyms.get(company),
        "quarter": None if position is None else position[1],
        "group": None if position is None else _figures(position[0]),
        "left_out": next((left.why for left in one.left if left.company == company), None),
    }


def moderator_document(one: Benchmark) -> dict[str, Any]:
    """What the moderator alone sees: names, groups, and who is left out."""
    return {
        "names": {pseudonym: company for company, pseudonym in sorted(one.pseudonyms.items())},
        "groups": [sorted(member.company for member in block) for block in one.report.blocks],
        "left_out": [left._asdict() for left in one.left],
    }


# --- what is kept -------------------------------------------------------------------------------------------------------------------


class _Record(msgspec.Struct):
    """What a later report needs of a record."""

    indicator: str
    groups: list[list[str]]


def keep(one: Benchmark, folder: Path, named_to: str) -> Path:
    """Writes the report's record. Raises BadInput: the folder cannot be written to."""
    record = {
        "indicator": one.indicator.id,
        "period": one.period.text,
        "names_shown_to": named_to,
        "groups": [sorted(member.company for member in block) for block in one.report.blocks],
        "pseudonyms": dict(one.pseudonyms),
    }
    return records.keep(folder, _KIND, one.id, record)


def earlier_reports(folder: Path, indicator: str) -> list[Report]:
    """The groups of reports of an indicator that were made before. Raises BadInput: a record cannot be read."""
    return [report_of(one.groups) for one in records.kept(folder, _KIND, _Record) if one.indicator == indicator]
