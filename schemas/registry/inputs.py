"""inputs: quantities of indicators that no meter measures, given by hand, with who, when and evidence.

They stand in the registry because its versions are in the log: what an indicator was computed from can be read there, and a replay finds
the same. A correction is a new input that `replaces` the old one, which stays.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from zonepulse.schemas.registry.section import Field, Section


@dataclass(frozen=True, slots=True)
class Input:
    """A quantity of a company, or of the zone, in a period."""

    id: str
    quantity: str
    company: str
    """'' for the zone's own."""
    period: str
    """A year 2026, month 2026-03 or day 2026-03-04 of the zone's calendar."""
    value: Fraction
    by: str
    given: str
    """ISO date."""
    evidence: str
    replaces: str
    """Id of the input that this one corrects; '' where it is the first."""
    reason: str


INPUTS: Final = Section(
    "inputs",
    "input",
    Input,
    (
        Field("id", "id", need=True),
        Field("quantity", "id", "what is given; its unit stands in its name", need=True),
        Field("company", "id", "absent or null: the zone's own", default="", of="companies"),
        Field("period", "text", '"2026", 2026-03 or "2026-03-04", a year and a day in quotes', need=True),
        Field("value", "number", need=True),
        Field("by", "text", "who gave it", need=True),
        Field("given", "day", "when", need=True),
        Field("evidence", "text", "where it can be looked up", need=True),
        Field("replaces", "id", "the input that this one corrects", default=""),
        Field("reason", "text", "why it was corrected", default=""),
    ),
)
