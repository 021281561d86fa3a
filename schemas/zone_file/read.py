"""Reads zone.yaml, the external description of a zone, into a validated Registry. Pure: text in, value or every mistake out."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

from zonepulse.schemas.checks.channels import check_channels
from zonepulse.schemas.checks.network import check_network
from zonepulse.schemas.checks.numbers import check_numbers
from zonepulse.schemas.checks.subscribers import check_subscribers
from zonepulse.schemas.checks.sums import check_sums
from zonepulse.schemas.checks.zone import check_registry
from zonepulse.schemas.factors.gwp import gwp_factors
from zonepulse.schemas.factors.knowledge import as_known
from zonepulse.schemas.factors.shipped import load_factors, shipped_factors_csv
from zonepulse.schemas.problems import RegistryError, Report
from zonepulse.schemas.registry.model import MeterVersion, Network, Registry, ZonePolicy
from zonepulse.schemas.registry.subscribers import SUBSCRIBERS, of_plain
from zonepulse.schemas.zone_file.factor_sections import read_factor
from zonepulse.schemas.zone_file.network_sections import read_contract, read_entry, read_network
from zonepulse.schemas.zone_file.positions import Fields, Place, compose
from zonepulse.schemas.zone_file.sections import (
    read_change,
    read_company,
    read_gateway,
    read_meter,
    read_rule,
    read_site,
    read_zone,
)
from zonepulse.schemas.zone_file.subscriber_sections import plain_subscribers
from zonepulse.schemas.zone_file.values import Clock

T = TypeVar("T")
_SECTIONS: Final = (
    "zone", "companies", "sites", "gateways", "meters", "meter_changes", "factors", "network", "contracts", "entries",
    "rules", SUBSCRIBERS,
)  # fmt: skip


def parse_zone(
    text: str,
    *,
    file: str = "zone.yaml",
    factors_csv: str | None = None,
    known_ids: frozenset[str] = frozenset(),
    factors_as_of: str | None = None,
) -> Registry:
    """The registry that a zone.yaml describes, as version 0; the meters are in the order of their first mention, then of time.

    `file` names it in messages. `factors_csv` replaces the shipped factor table. `known_ids` exist already and stay valid,
    whatever characters they have. `factors_as_of`, an ISO date, takes the place of the zone's own. Raises RegistryError with every mistake
    found, up to MOST_PROBLEMS.
    """
    report = Report(file, known_ids=known_ids)
    fields = Fields(compose(text, report), _SECTIONS)
    zone = fields.place_of("zone")
    if zone is None:
        report.add("", "`zone` is missing", "begin with `zone:` and its id and timezone")
        raise RegistryError(report.problems)
    policy = read_zone(zone)
    if factors_as_of is not None:
        policy = replace(policy, factors_as_of=factors_as_of)
    draft, shipped = _read(fields, policy, factors_csv)
    known = _as_known(draft)
    check_registry(draft, shipped, report)
    check_network(draft, report)
    check_subscribers((of_plain(one) for one in draft.extra.get(SUBSCRIBERS, [])), draft, report)
    check_channels(known, report)
    check_numbers(draft, shipped, report)
    if not report.problems:
        check_sums(known, report)
    report.raise_if_any()
    return replace(known, meters=_ordered(draft.meters), sha256=hashlib.sha256(text.encode()).hexdigest())


def _as_known(draft: Registry) -> Registry:
    """With the factors as they were known on the day that the zone names, if it names one."""
    date = draft.zone.factors_as_of
    return replace(draft, factors=as_known(draft.factors, date)) if date else draft


def _read(fields: Fields, policy: ZonePolicy, factors_csv: str | None) -> tuple[Registry, int]:
    """The entities as written, with placeholders where something could not be read; and how many factors are shipped ones."""
    clock = Clock.of(policy.timezone)
    shipped = load_factors(shipped_factors_csv() if factors_csv is None else factors_csv, policy.timezone)
    entries = _all(fields, "entries", lambda place: read_entry(place, clock))
    shipped += gwp_factors((entry.carrier for entry in entries), policy.gwp)
    registry = Registry(
        version=0,
        zone=policy,
        companies=_all(fields, "companies", read_company),
        sites=_all(fields, "sites", read_site),
        gateways=_all(fields, "gateways", read_gateway),
        meters=_all(fields, "meters", lambda place: read_meter(place, clock, policy.window_ms)),
        meter_changes=_all(fields, "meter_changes", lambda place: read_change(place, clock)),
        factors=shipped + _all(fields, "factors", lambda place: read_factor(place, clock)),
        rules=_all(fields, "rules", read_rule),
        network=_network(fields, clock),
        contracts=_all(fields, "contracts", lambda place: read_contract(place, clock)),
        entries=entries,
        extra=_extra(fields),
    )
    return registry, len(shipped)


def _all(fields: Fields, section: str, read: Callable[[Place], T]) -> tuple[T, ...]:
    return tuple(read(place) for place in fields.items(section))


def _network(fields: Fields, clock: Clock) -> Network:
    place = fields.place_of("network")
    return Network() if place is None else read_network(place, clock)


def _extra(fields: Fields) -> dict[str, list[dict[str, object]]]:
    place = fields.place_of(SUBSCRIBERS)
    return {} if place is None else {SUBSCRIBERS: plain_subscribers(place.items())}


def _ordered(meters: tuple[MeterVersion, ...]) -> tuple[MeterVersion, ...]:
    first: dict[str, int] = {}
    for i, version in enumerate(meters):
        first.setdefault(version.id, i)
    return tuple(sorted(meters, key=lambda m: (first[m.id], m.valid_from_ms)))
