"""Reads zone.yaml, the external description of a zone, into a validated Registry. Pure: text in, value or every mistake out."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from zonepulse.schemas.checks.budgets import check_budgets
from zonepulse.schemas.checks.channels import check_channels
from zonepulse.schemas.checks.efficiency.networks import check_efficiency
from zonepulse.schemas.checks.efficiency.weather import check_weather
from zonepulse.schemas.checks.inputs import check_inputs
from zonepulse.schemas.checks.network import check_network
from zonepulse.schemas.checks.numbers import check_numbers
from zonepulse.schemas.checks.rules import check_rules
from zonepulse.schemas.checks.sums import check_sums
from zonepulse.schemas.checks.tariffs import check_tariffs
from zonepulse.schemas.checks.zone import check_registry
from zonepulse.schemas.factors.gwp import gwp_factors
from zonepulse.schemas.factors.knowledge import as_known
from zonepulse.schemas.factors.shipped import load_factors, shipped_factors_csv
from zonepulse.schemas.problems import RegistryError, Report
from zonepulse.schemas.registry.model import MeterVersion, Registry, ZonePolicy
from zonepulse.schemas.registry.section import Section
from zonepulse.schemas.registry.sections import SECTIONS, by_attribute
from zonepulse.schemas.zone_file.declared import entity_reader
from zonepulse.schemas.zone_file.factor_sections import read_factor
from zonepulse.schemas.zone_file.network_sections import read_contract, read_entry
from zonepulse.schemas.zone_file.positions import Fields, Place, compose
from zonepulse.schemas.zone_file.rule_section import read_rule
from zonepulse.schemas.zone_file.sections import read_meter, read_zone
from zonepulse.schemas.zone_file.values import Clock

_KEYS: Final = ("zone", *(section.name for section in SECTIONS))


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
    fields = Fields(compose(text, report), _KEYS)
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
    check_inputs(draft, report)
    check_budgets(draft, report)
    check_tariffs(draft, report)
    check_efficiency(draft, report)
    check_weather(draft, report)
    check_rules(draft, report)
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
    own = _own_readers(clock, policy)
    written = [section for section in SECTIONS if not section.is_plain or fields.place_of(section.key)]
    found = {section.name: _read_section(section, fields, own, clock) for section in written}
    shipped += gwp_factors((entry.carrier for entry in found["entries"]), policy.gwp)
    found["factors"] = shipped + found["factors"]
    registry = Registry(version=0, zone=policy, **by_attribute(found))
    return registry, len(shipped)


def _read_section(section: Section, fields: Fields, own: Mapping[str, Callable[[Place], Any]], clock: Clock) -> Any:
    """Its entities; of a mapping the whole."""
    if section.parts:
        place = fields.place_of(section.key)
        inner = Fields(place, [part.key for part in section.parts]) if place else None
        return section.type(**{part.key: _read_section(part, inner, own, clock) for part in section.parts} if inner else {})
    return tuple(map(own.get(section.name) or entity_reader(section, clock), fields.items(section.key)))


def _own_readers(clock: Clock, policy: ZonePolicy) -> dict[str, Callable[[Place], Any]]:
    """Of the sections whose fields depend on one another."""
    return {
        "meters": lambda place: read_meter(place, clock, policy.window_ms),
        "factors": lambda place: read_factor(place, clock),
        "rules": read_rule,
        "contracts": lambda place: read_contract(place, clock),
        "entries": lambda place: read_entry(place, clock),
    }


def _ordered(meters: tuple[MeterVersion, ...]) -> tuple[MeterVersion, ...]:
    first: dict[str, int] = {}
    for i, version in enumerate(meters):
        first.setdefault(version.id, i)
    return tuple(sorted(meters, key=lambda m: (first[m.id], m.valid_from_ms)))
