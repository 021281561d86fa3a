"""What was known of the emission factors on a day: the other time of a bitemporal table.

A factor is *valid* when it applies to energy and *published* when anybody could know it. A grid factor appears two years after its
year; until then the newest known one went on. Undoing the later publications gives the table that a report of that day was made with.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from zonepulse.schemas.factors.series import end_ms
from zonepulse.schemas.registry.model import FOREVER, Factor

_FULL_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_LAST: Final = {4: "-12-31", 7: "-31"}
"""What completes a year, or a year and month, to its last day: no earlier was it surely known."""
Key = tuple[str, str, str, str, str]


def as_known(factors: Iterable[Factor], date: str) -> tuple[Factor, ...]:
    """The factors as they were known at the end of an ISO date, in the same order.

    Those published later are dropped. Where the newest that is left of a series (activity, region, basis, company, base unit) had its
    successor dropped, it is open-ended again; a time series of values stays what it is, it knows no more than its steps. Factors
    that do not say when they were published are always known.
    """
    everything = list(factors)
    known = [f for f in everything if is_known(f, date)]
    dropped: dict[Key, list[Factor]] = defaultdict(list)
    newest: dict[Key, Factor] = {}
    for factor in everything:
        if not is_known(factor, date):
            dropped[_series_of(factor)].append(factor)
    for factor in known:
        last = newest.get(_series_of(factor))
        if last is None or (factor.valid_from_ms, factor.valid_to_ms) >= (last.valid_from_ms, last.valid_to_ms):
            newest[_series_of(factor)] = factor
    reopened = {f.id for f in newest.values() if any(d.valid_from_ms > f.valid_from_ms for d in dropped[_series_of(f)])}
    return tuple(_open(f) if f.id in reopened else f for f in known)


def with_published(factors: Iterable[Factor], publications: Iterable[Factor], date: str) -> tuple[Factor, ...]:
    """The factors as they were known at the end of an ISO date, with those that were published apart from them by then.

    While a publication is valid, it stands in the place of every factor of its series that was published no later; of two, the later.
    """
    found = list(as_known(factors, date))
    for new in sorted((p for p in publications if is_known(p, date)), key=lambda p: (published_day(p.published), p.id)):
        found = [piece for factor in found for piece in _outside(factor, new)] + [new]
    return tuple(found)


def _outside(factor: Factor, new: Factor) -> list[Factor]:
    """What of a factor's validity a publication leaves."""
    if _series_of(factor) != _series_of(new) or (
        factor.published and published_day(factor.published) > published_day(new.published)
    ):
        return [factor]
    before, behind = min(factor.valid_to_ms, new.valid_from_ms), max(factor.valid_from_ms, new.valid_to_ms)
    spans = (factor.valid_from_ms, before), (behind, factor.valid_to_ms)
    return [replace(factor, valid_from_ms=start, valid_to_ms=end) for start, end in spans if start < end]


def is_known(factor: Factor, date: str) -> bool:
    """Whether it was published on or before the ISO date. A year or a month counts from its last day."""
    return not factor.published or published_day(factor.published) <= date


def published_day(published: str) -> str:
    """The ISO date by which something published then was surely known; '9999-12-31' for what is no date."""
    day = published + _LAST.get(len(published), "") if len(published) < 10 else published[:10]
    return day if _FULL_DATE.fullmatch(day) else "9999-12-31"


def _series_of(factor: Factor) -> Key:
    return factor.activity, factor.region, factor.basis, factor.company, factor.base_unit


def _open(factor: Factor) -> Factor:
    return replace(factor, valid_to_ms=FOREVER if factor.series is None else end_ms(factor.series))
