"""What one check of `doctor` says."""

from typing import Literal, NamedTuple

State = Literal["ok", "warn", "fail"]


class Check(NamedTuple):
    """One line of the report."""

    name: str
    state: State
    found: str
    remedy: str = ""


def enough(name: str, amount: float, limits: tuple[float, float], found: str, remedy: str) -> Check:
    """Below the first limit a warning, below the second a failure."""
    state: State = "ok" if amount >= limits[0] else "warn" if amount >= limits[1] else "fail"
    return Check(name, state, found, "" if state == "ok" else remedy)
