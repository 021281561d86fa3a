"""What a quantity of a period is: a number with how well it is known, or why there is none."""

from fractions import Fraction
from typing import Literal, NamedTuple

Why = Literal[
    "input", "input_gap", "companies", "no_meter", "no_rows", "no_value", "no_factor", "no_coefficient", "fuel_fired", "no_boundary",
    "zero", "short", "no_hour", "no_profile",
]  # fmt: skip
"""input: it was not given; input_gap: not for a part of the period; companies: not by these; no_meter: nothing that measures it is
registered; no_rows: the ledger has none; no_value: nothing was covered; no_factor: emissions without factor; no_coefficient: a carrier
without coal equivalent; fuel_fired: electricity made from fuel would count twice; no_boundary: what leaves the zone is not metered; zero:
it is divided by; short: the period is shorter than makes sense; no_hour: no hour is known whole; no_profile: contracts say no hours."""


class Known(NamedTuple):
    """A quantity. `covered` and `estimated` are shares from 0 to 1; None where it was given by hand."""

    value: Fraction
    covered: Fraction | None = None
    estimated: Fraction | None = None


class Missing(NamedTuple):
    """Why there is no number. `about` is what is to be named: companies, carriers, a day, a period."""

    quantity: str
    why: Why
    about: tuple[str, ...] = ()


Answer = Known | Missing
