"""What people give of the sample zone: products, revenue and budgets by month, and an energy-efficiency network of its eight companies.
Their meters are real, all of this is invented and says so.
"""

from datetime import UTC, datetime
from typing import Final, NamedTuple

from zonepulse.streams.demo.sample_series import Stretch

NETWORK: Final = "taicang-sample"
EVIDENCE: Final = "invented for the sample"


class Company(NamedTuple):
    """What a company makes and earns in a month, and means to save in a year."""

    id: str
    products: int
    """In its own unit."""
    revenue_cny: int
    target_kwh_a: int


COMPANIES: Final = (
    Company("steelworks", 2_400, 9_800_000, 48_000), Company("office-park", 0, 4_100_000, 52_000),
    Company("bakery", 21_000, 310_000, 2_600), Company("laundry", 9_500, 120_000, 2_000), Company("tea-house", 3_900, 95_000, 600),
    Company("garden-quarter", 0, 84_000, 1_500), Company("garden-court", 0, 86_000, 1_500), Company("garden-row", 0, 71_000, 1_200),
)  # fmt: skip
"""Products are tonnes rolled, loaves, loads washed, guests."""
MEASURES: Final = """\
    - {{id: mill-led, network: {network}, company: steelworks, title: LED in hall 2, status: implemented, starts: {year}-03-01,
       kwh_a: {{electricity: 21000}}, method: deemed, technology: lighting, investment_cny: 96000, evidence: {evidence}}}
    - {{id: office-night, network: {network}, company: office-park, title: ventilation off at night, status: implemented,
       starts: {year}-01-15, kwh_a: {{electricity: 34000}}, method: ipmvp_c, technology: ventilation, evidence: {evidence}}}
    - {{id: bakery-heat, network: {network}, company: bakery, title: heat of the ovens warms the water, status: planned,
       kwh_a: {{natural_gas: 4200, electricity: -150}}, method: deemed, technology: heat recovery, investment_cny: 28000}}
"""


BUDGETS: Final = (("steelworks", "kWh", 92_000), ("office-park", "kWh", 260_000), ("", "kgCO2e", 62_000))
"""Company ('' = the zone), unit, amount a month."""


def inputs(stretch: Stretch) -> str:
    """Lines of the section `inputs`: every month that the sample touches."""
    end = _local(stretch, stretch.until_ms)
    amounts = [
        (quantity, company.id, amount)
        for company in COMPANIES
        for quantity, amount in (("product_units", company.products), ("revenue_cny", company.revenue_cny))
        if amount
    ]
    return "".join(
        f'  - {{id: "{company}:{quantity}:{month}", company: {company}, quantity: {quantity}, period: {month}, value: {amount},'
        f" by: M. Wu, given: {end:%Y-%m-%d}, evidence: {EVIDENCE}}}\n"
        for month in _months(stretch)
        for quantity, company, amount in amounts
    )


def budgets(stretch: Stretch) -> str:
    """The section `budgets`: of the mill, the office and the zone, each month that the sample touches."""
    return "".join(
        f"  - {{id: {company or 'zone'}-{month}, company: {company or 'null'}, period: {month}, unit: {unit}, amount: {amount}}}\n"
        for month in _months(stretch)
        for company, unit, amount in BUDGETS
    )


def network(stretch: Stretch) -> str:
    """The section `efficiency_networks`: three years that began with the sample's."""
    year = _local(stretch, stretch.until_ms).year
    name = "{en: Sample network, de: Beispielnetzwerk, zh: 示范网络}"
    members = "".join(f"    - {{network: {NETWORK}, company: {one.id}, joined: {year}-01-01}}\n" for one in COMPANIES)
    targets = "".join(
        f"    - {{network: {NETWORK}, company: {one.id}, base_year: {year - 1}, kwh_a: {one.target_kwh_a}}}\n" for one in COMPANIES
    )
    return (
        f"\nefficiency_networks:       # {EVIDENCE}\n"
        f"  networks: [{{id: {NETWORK}, name: {name}, begins: {year}-01-01, ends: {year + 2}-12-31, moderator: M. Wu}}]\n"
        f"  members:\n{members}  targets:\n{targets}  measures:\n{MEASURES.format(network=NETWORK, year=year, evidence=EVIDENCE)}"
    )


def _months(stretch: Stretch) -> list[str]:
    """Every one that the sample touches, as 2026-03."""
    begin, end = (_local(stretch, ms) for ms in (stretch.start_ms, stretch.until_ms))
    return [f"{n // 12:04}-{n % 12 + 1:02}" for n in range(begin.year * 12 + begin.month - 1, end.year * 12 + end.month)]


def _local(stretch: Stretch, ms: int) -> datetime:
    """The zone's clock."""
    return datetime.fromtimestamp((ms + stretch.utc_offset_ms) / 1000, UTC)
