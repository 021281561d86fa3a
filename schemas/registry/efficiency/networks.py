"""efficiency_networks: companies that save energy together, with their targets, measures and reviews.

An energy-efficiency network has a moderator and members; each member sets a savings target of its own, the network's is their sum
(rules of the German initiative of energy-efficiency networks). `network` is the electricity network.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from zonepulse.schemas.registry.model import Text
from zonepulse.schemas.registry.section import Field, Section

Status = Literal["planned", "implemented", "dropped"]
Method = Literal["deemed", "measured", "ipmvp_a", "ipmvp_b", "ipmvp_c", "ipmvp_d"]
FIRST_YEAR: Final = 1990
LEAST_MEMBERS: Final = 5
"""Of a network (rules of the German initiative of energy-efficiency networks); fewer are remarked on."""


@dataclass(frozen=True, slots=True)
class EfficiencyNetwork:
    """A network and its term: ISO dates, first and last day."""

    id: str
    name: Text
    begins: str
    ends: str
    moderator: str = ""


@dataclass(frozen=True, slots=True)
class NetworkMember:
    """A company in a network from the day it `joined` until the day it `left`, which does not count; '' = it is still in."""

    network: str
    company: str
    joined: str
    left: str = ""


@dataclass(frozen=True, slots=True)
class SavingsTarget:
    """What a member means to save a year against its base year."""

    network: str
    company: str
    base_year: int
    kwh_a: Fraction
    kg_a: Fraction | None = None
    """kg CO2e a year."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that saves energy. Savings are final energy."""

    id: str
    network: str
    company: str
    title: str
    status: Status
    kwh_a: tuple[tuple[str, Fraction], ...]
    """(carrier, kWh a year); below zero where the measure uses more of a carrier."""
    method: Method
    technology: str = ""
    starts: str = ""
    """The first day on which it saves, ISO; '' where it is only planned."""
    kg_a: Fraction | None = None
    """kg CO2e a year."""
    factor_version: str = ""
    """Which factor `kg_a` was worked out with, and as published when."""
    investment_cny: Fraction | None = None
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class StaticChange:
    """What a model does not know and changed for good, such as a new hall: from this day on another baseline holds."""

    id: str
    company: str
    on: str
    what: str
    by: str
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """An energy review of a member by somebody qualified."""

    id: str
    network: str
    company: str
    on: str
    by: str
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class SavingsSnapshot:
    """That a snapshot of a network's savings was taken, and its digest: a file with another one is not it."""

    id: str
    network: str
    period: str
    sha256: str
    taken: str
    by: str


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Everything of the zone's energy-efficiency networks."""

    networks: tuple[EfficiencyNetwork, ...] = ()
    members: tuple[NetworkMember, ...] = ()
    targets: tuple[SavingsTarget, ...] = ()
    measures: tuple[Measure, ...] = ()
    static_changes: tuple[StaticChange, ...] = ()
    reviews: tuple[Review, ...] = ()
    snapshots: tuple[SavingsSnapshot, ...] = ()


_NAME: Final = "efficiency_networks"
_ID: Final = Field("id", "id", need=True)
_COMPANY: Final = Field("company", "id", need=True, of="companies")
_NETWORK: Final = Field("network", "id", need=True, of=f"{_NAME}.networks")
_BY: Final = Field("by", "text", "who says so", need=True)
_EVIDENCE: Final = Field("evidence", "text", "where it can be looked up", default="")

EFFICIENCY: Final = Section(
    _NAME,
    "efficiency",
    Efficiency,
    about={"": "energy-efficiency networks: companies that save energy together"},
    parts=(
        Section(
            f"{_NAME}.networks",
            "efficiency_network",
            EfficiencyNetwork,
            (
                _ID,
                Field("name", "name"),
                Field("begins", "day", "first day of its term", need=True),
                Field("ends", "day", "last day of its term", need=True),
                Field("moderator", "text", "who alone sees names in benchmarks", default=""),
            ),
        ),
        Section(
            f"{_NAME}.members",
            "member",
            NetworkMember,
            (
                _NETWORK,
                _COMPANY,
                Field("joined", "day", "the first day", need=True),
                Field("left", "day", "the first day on which it is no member; absent: it still is", default=""),
            ),
            identity=("network", "company", "joined"),
        ),
        Section(
            f"{_NAME}.targets",
            "target",
            SavingsTarget,
            (
                _NETWORK,
                _COMPANY,
                Field("base_year", "count", "the year that savings are counted against", need=True, least=FIRST_YEAR),
                Field("kwh_a", "number", "final energy to save a year", need=True),
                Field("kg_a", "number", "kg CO2e to avoid a year"),
            ),
            identity=("network", "company"),
        ),
        Section(
            f"{_NAME}.measures",
            "measure",
            Measure,
            (
                _ID,
                _NETWORK,
                _COMPANY,
                Field("title", "text", need=True),
                Field("technology", "text", "such as compressed air, lighting, waste heat", default=""),
                Field("status", "word", need=True, words=("planned", "implemented", "dropped")),
                Field("starts", "day", "the first day on which it saves", default=""),
                Field("kwh_a", "amounts", "final energy saved a year, in kWh, by carrier", need=True),
                Field("kg_a", "number", "kg CO2e avoided a year"),
                Field("factor_version", "text", "the factor that kg_a was worked out with, and its version", default=""),
                Field(
                    "method",
                    "word",
                    "how the savings are known; the last four are the options of IPMVP",
                    need=True,
                    words=("deemed", "measured", "ipmvp_a", "ipmvp_b", "ipmvp_c", "ipmvp_d"),
                ),
                Field("investment_cny", "number"),
                _EVIDENCE,
            ),
        ),
        Section(
            f"{_NAME}.static_changes",
            "static_change",
            StaticChange,
            (
                _ID,
                _COMPANY,
                Field("on", "day", "from when on another baseline holds", need=True),
                Field("what", "text", "such as a new hall", need=True),
                _BY,
                _EVIDENCE,
            ),
        ),
        Section(
            f"{_NAME}.reviews",
            "review",
            Review,
            (_ID, _NETWORK, _COMPANY, Field("on", "day", need=True), _BY, _EVIDENCE),
        ),
        Section(
            f"{_NAME}.snapshots",
            "snapshot",
            SavingsSnapshot,
            (
                _ID,
                _NETWORK,
                Field("period", "text", '"2026", a year in quotes, or a month', need=True),
                Field("sha256", "text", "of the file that `zonepulse network snapshot` wrote", need=True),
                Field("taken", "day", need=True),
                _BY,
            ),
        ),
    ),
)


def current_members(efficiency: Efficiency, network: str, first: str, end: str) -> tuple[str, ...]:
    """Companies that are members at some day of [first, end), ISO dates; in the order of the file."""
    found = (m for m in efficiency.members if m.network == network and m.joined < end and (not m.left or m.left > first))
    return tuple(dict.fromkeys(member.company for member in found))
