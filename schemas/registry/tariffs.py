"""tariffs: what a carrier costs, with the source, in all hours or in those of a calendar. Where none is given, nothing is said of money."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from zonepulse.schemas.registry.section import Field, Section


@dataclass(frozen=True, slots=True)
class Tariff:
    """A price from `valid_from_ms` until `valid_to_ms`, half-open, epoch ms."""

    id: str
    carrier: str
    company: str
    """'' for every company that has none of its own."""
    price: Fraction
    """Of one `unit`, in `currency`."""
    currency: Literal["CNY", "EUR", "USD"]
    unit: str
    """One in which the carrier can be transmitted, such as kWh, MWh, m3."""
    source: str
    valid_from_ms: int
    valid_to_ms: int | None
    """None: until further notice."""
    calendar: str = ""
    """In whose hours alone it holds; '' in all hours in which none with a calendar does."""


TARIFFS: Final = Section(
    "tariffs",
    "tariff",
    Tariff,
    (
        Field("id", "id", need=True),
        Field("carrier", "id", need=True),
        Field("company", "id", "absent or null: of every company that has none of its own", default="", of="companies"),
        Field("price", "number", "of one unit", need=True),
        Field("currency", "word", need=True, words=("CNY", "EUR", "USD")),
        Field("unit", "text", "that the price is of: kWh, MWh, m3, ...", need=True),
        Field("source", "text", "where the price can be looked up: contract, publication; people read it", need=True),
        Field("valid_from", "moment", need=True),
        Field("valid_to", "moment", "absent: until further notice"),
        Field(
            "calendar",
            "id",
            "in whose hours alone it holds, such as peak or valley; absent: in all others",
            default="",
            of="calendars",
        ),
    ),
)
