"""The zone of `zonepulse bench ledger`: companies with equal meters, a network, contracts and rules, and rows as partitions send them."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from zonepulse.processors.channels.table import Channels
from zonepulse.processors.flow import ROW, Rows, new_rows
from zonepulse.schemas.factors.shipped import load_factors, shipped_factors_csv
from zonepulse.schemas.registry.model import (
    ALWAYS,
    FOREVER,
    Company,
    Contract,
    Direction,
    MeterVersion,
    Network,
    Register,
    Registry,
    Role,
    Rule,
    Site,
    Source,
    ZonePolicy,
)

WINDOW_MS: Final = 900_000
TICK_MS: Final = 60_000
DELAY_MS: Final = 120_000
HOUR_MS: Final = 3_600_000
MAX_GAP_MS: Final = 12 * HOUR_MS
"""Short, so that the horizon is full after a day already."""
START_MS: Final = 1_790_000_100_000
"""An edge of the window grid."""
PERIOD_MS: Final = 60_000
CONTRACT_EACH: Final = 10
"""One company in so many has a contract."""
ROW_MICRO: Final = 1_000_000
"""A row's energy is up to twice that, another in every window and channel."""


@dataclass(frozen=True, slots=True)
class CompanyZone:
    """`companies`, each with `channels // companies` channels: gas, generation, and the rest electricity."""

    companies: int
    channels: int

    def registry(self, version: int = 1) -> Registry:
        """One version of the zone; versions differ in their number alone."""
        companies = tuple(Company(f"c-{i:05}", {}) for i in range(self.companies))
        sites = (Site("s-grid", "", "grid"), *(Site(f"s-{c.id}", c.id, "out") for c in companies))
        meters = [_meter("grid", "s-grid", "boundary", "import")]
        for number, site in enumerate(sites[1:]):
            for k in range(self.channels // self.companies):
                name = f"m-{number:05}-{k:03}"
                if k == 1:
                    meters.append(_meter(name, site.id, "main", "consumption", "natural_gas", "Nm3"))
                else:
                    meters.append(_meter(name, site.id, *(("generation", "generation") if k == 2 else ("main", "import"))))
        contracts = tuple(
            Contract(f"gec-{c.id}", c.id, "gec", 10**15, None, ALWAYS, FOREVER, 0, "bench") for c in companies[::CONTRACT_EACH]
        )
        rules = (Rule("high", "company", "power_kw", 1e9, None, 0, 0, None, None, "warning", {}),)
        network = Network(("grid",), (), (Source("g", "grid", "grid_import", "grid"),))
        factors = load_factors(shipped_factors_csv(), "Asia/Shanghai")
        return Registry(version, _policy(), companies, sites, (), tuple(meters), (), factors, rules, network, contracts)

    def rows(self, channels: Channels, start_ms: int, tick: int, *, all_companies: bool) -> Rows:
        """First rows of a window: one channel of every company, or of the first alone."""
        each = self.channels // self.companies
        numbers = np.arange(1, 1 + each * (self.companies if all_companies else 1), each)
        rows = new_rows(ROW, len(numbers))
        rows["channel"], rows["start"], rows["revision"] = numbers, start_ms, tick
        rows["version"] = channels.first[numbers]
        rows["val"] = ROW_MICRO + (numbers * 7_919 + start_ms // WINDOW_MS * 104_729) % ROW_MICRO
        rows["cov"] = WINDOW_MS
        return rows


def _meter(name: str, site: str, role: Role, direction: Direction, carrier: str = "electricity", unit: str = "kWh") -> MeterVersion:
    register = Register("r", carrier, direction, "cumulative", unit, unit, Fraction(1_000_000), Fraction(1), None,
                        Fraction(1000), PERIOD_MS, Fraction(0))  # fmt: skip
    return MeterVersion(name, site, "", role, "", (register,), ALWAYS, FOREVER)


def _policy() -> ZonePolicy:
    return ZonePolicy(
        "bench", {}, ("CN-JS", "CN"), "Asia/Shanghai", "site", WINDOW_MS, TICK_MS, 5_000, DELAY_MS, HOUR_MS, 300_000,
        10_000, MAX_GAP_MS, 3, 60_000,
    )  # fmt: skip
