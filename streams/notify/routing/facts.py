"""An alert as notification sees it, and who may see it. Pure.

The gate: `is_visible` alone decides whether a subscriber may know of an alert, and everything that a message shows of an alert is made from
a `Fact` that passed it. A subscriber of a company passes only alerts whose row names that company, and whose meter, where there is one,
belonged to that company when the alert began.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec

from zonepulse.processors.detection.prices import Prices
from zonepulse.schemas.messages.alerts import alert_key
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.subscribers import SEVERITIES, Subscriber, masked

UNDELIVERED: Final = "ops_undelivered"
MOST_EVIDENCE: Final = 20_000
"""Characters of evidence that are looked at."""


class BadAlert(ValueError):
    """A record that is no transition of an alert."""


class Row(msgspec.Struct, frozen=True):
    """A transition as `zp.alerts` has it (schemas/messages/alerts.py); times are epoch ms."""

    zone: str
    fingerprint: str
    starts_at: int
    rule: str
    severity: str
    state: str
    revision: int
    company: str = ""
    meter: str = ""
    node: str = ""
    ends_at: int | None = None
    value: float | None = None
    expected_low: float | None = None
    expected_high: float | None = None
    impact_kg: float | None = None
    evidence: str = "{}"

    @property
    def identity(self) -> str:
        """Key of the alert: fingerprint and begin."""
        return alert_key(self.fingerprint, self.starts_at).decode()

    @property
    def is_over(self) -> bool:
        """Whether it ended."""
        return self.state == "resolved"

    @property
    def rank(self) -> tuple[int, float, int, str]:
        """People see alerts in this order: severity, impact, then the oldest."""
        severity = SEVERITIES.index(self.severity) if self.severity in SEVERITIES else 0
        return -severity, -(self.impact_kg or 0.0), self.starts_at, self.identity

    def facts(self) -> dict[str, Any]:
        """The evidence; empty where it is none."""
        try:
            found = msgspec.json.decode(self.evidence[:MOST_EVIDENCE])
        except (msgspec.MsgspecError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def parse_row(value: bytes) -> Row:
    """A record of `zp.alerts`. Raises BadAlert."""
    try:
        row = msgspec.json.decode(value, type=Row)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as bad:
        raise BadAlert(f"no alert: {bad}") from None
    if row.severity not in SEVERITIES:
        raise BadAlert(f"severity is {row.severity[:40]!r}, expected {', '.join(SEVERITIES)}")
    return row


@dataclass(frozen=True, slots=True)
class Meter:
    """What a message may say of a meter: where it stands, and its registers (id -> base unit, carrier, direction)."""

    site: str
    gateway: str
    registers: Mapping[str, tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Directory:
    """The zone as messages know it, by the newest version of the registry."""

    zone: str = ""
    zone_name: Mapping[str, str] = field(default_factory=dict)
    timezone: str = "UTC"
    companies: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    sites: Mapping[str, str] = field(default_factory=dict)
    """Site -> company, '' = the zone's own."""
    meters: Mapping[str, Meter] = field(default_factory=dict)
    owners: Mapping[str, tuple[tuple[int, int, str], ...]] = field(default_factory=dict)
    """Meter -> [from, to) in epoch ms and the company that it belongs to then, '' = the zone."""
    rules: Mapping[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)
    """Rule of the registry -> its indicator and its text by language."""
    runbooks: Mapping[str, str] = field(default_factory=dict)
    """Rule of the registry -> where it is written what to do, where that is known."""
    prices: Prices | None = None


def directory(registry: Registry) -> Directory:
    """Of a registry version."""
    company_of, owners = {site.id: site.company for site in registry.sites}, dict[str, list[tuple[int, int, str]]]()
    for meter in registry.meters:
        owners.setdefault(meter.id, []).append((meter.valid_from_ms, meter.valid_to_ms, company_of.get(meter.site, "")))
    return Directory(
        zone=registry.zone.id,
        zone_name=registry.zone.name,
        timezone=registry.zone.timezone,
        companies={c.id: c.name for c in registry.companies},
        sites={s.id: s.company for s in registry.sites},
        meters={
            m.id: Meter(m.site, m.gateway, {r.id: (r.base_unit, r.carrier, r.direction) for r in m.registers})
            for m in registry.meters
        },
        owners={meter: tuple(found) for meter, found in owners.items()},
        rules={r.id: (r.indicator, r.text) for r in registry.rules},
        runbooks={r.id: r.runbook for r in registry.rules if r.runbook},
        prices=Prices(registry),
    )


def held(meter: str, at_ms: int, known: Directory) -> tuple[int, int, str] | None:
    """[from, to) and the company that a meter belonged to at an instant; None where no meter of this id was there."""
    return next((span for span in known.owners.get(meter, ()) if span[0] <= at_ms < span[1]), None)


def is_visible(row: Row, subscriber: Subscriber, known: Directory) -> bool:
    """Whether the subscriber may know of the alert at all."""
    if not subscriber.company:
        return True
    if row.company != subscriber.company or row.rule.startswith("ops_"):
        return False
    owner = held(row.meter, row.starts_at, known)
    return not row.meter or (owner is not None and owner[2] == subscriber.company)


def is_wanted(row: Row, subscriber: Subscriber, known: Directory) -> bool:
    """Whether the subscriber's filters let the alert through; says nothing of whether it may."""
    meter = known.meters.get(row.meter)
    return (
        SEVERITIES.index(row.severity) >= SEVERITIES.index(subscriber.severity)
        and (not subscriber.companies or row.company in subscriber.companies)
        and (not subscriber.sites or (meter is not None and meter.site in subscriber.sites))
        and (not subscriber.rules or any(fnmatchcase(row.rule, rule) for rule in subscriber.rules))
        and (subscriber.impact_kg is None or row.impact_kg is None or row.impact_kg >= subscriber.impact_kg)
        and bool(targets_of(row, subscriber))
    )


def targets_of(row: Row, subscriber: Subscriber) -> tuple[str, ...]:
    """Where a subscriber can hear of an alert: that a channel of theirs is dead, by the others."""
    if row.rule != UNDELIVERED:
        return subscriber.to
    about = row.facts()
    return tuple(to for to in subscriber.to if about.get("subscriber") != subscriber.id or masked(to) != about.get("channel"))


def goes_to(row: Row, subscriber: Subscriber, known: Directory) -> bool:
    """Whether the subscriber is told of the alert."""
    return is_visible(row, subscriber, known) and is_wanted(row, subscriber, known)


def group_of(row: Row, known: Directory) -> str:
    """What alerts are gathered by: site, gateway and rule; company or node where no meter is named."""
    meter = known.meters.get(row.meter)
    place = f"{meter.site}/{meter.gateway}" if meter else f"{row.company}/{row.node}"
    return f"{row.rule}@{place}"
