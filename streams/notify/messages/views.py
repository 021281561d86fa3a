"""An alert as one reader reads it: strings in the reader's language, nothing else. Templates see these and no rows.

What a View holds is made from the row of one alert that the reader may know of, and of names of that alert's own company, site and meter.
Of the evidence only numbers and the names below are shown, for it may name others.
"""

from dataclasses import dataclass
from typing import Final

from zonepulse.schemas.messages.alerts import PIPELINE_RULES
from zonepulse.schemas.registry.subscribers import Subscriber
from zonepulse.streams.notify.messages.costs import Cost, cost
from zonepulse.streams.notify.messages.rule_texts import (
    OF_THE_PIPELINE,
    OF_THE_REGISTRY,
    OTHER,
    RESOLVED_MARK,
    RULE_TEXTS,
    SEVERITY_MARKS,
    SEVERITY_TEXTS,
    UNITS,
)
from zonepulse.streams.notify.messages.words import Words, clean
from zonepulse.streams.notify.routing.facts import Directory, Row, is_visible

STATES: Final = {"raised": "", "resolved": "Resolved", "escalated": "Escalated", "repeated": "Still on"}
UNITS_OF_RULES: Final = {"unexplained_energy": "kWh", "sub_above_main": "kWh", "pv_low": "kWh/kWp"}


class Hidden(PermissionError):
    """The reader may not know of this alert."""


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses of pages about one alert; '' where the installation has none."""

    board: str = ""
    grafana: str = ""
    acknowledge: str = ""
    snooze: str = ""
    runbook: str = ""
    """What to do about an alert of the pipeline."""


@dataclass(frozen=True, slots=True)
class View:
    """What a message shows of an alert; a field is '' where it does not apply."""

    title: str
    text: str
    mark: str
    severity: str
    severity_id: str
    """info, warning or critical: a name for styles."""
    state: str
    """What the message says of it in a word; '' = it is on."""
    is_over: bool
    where: str
    short_where: str
    since: str
    short_since: str
    lasted: str
    ended: str
    seen: str
    expected: str
    impact: str
    cost: str
    """In money, and by which tariff."""
    short_cost: str
    hint: str
    facts: tuple[tuple[str, str], ...]
    """Label and value of what else there is to say."""
    rule: str
    identity: str
    links: Links


def view(row: Row, what: str, reader: Subscriber, known: Directory, words: Words, now_ms: int, links: Links | None = None) -> View:
    """`what` is raised, resolved, escalated or repeated. Raises Hidden."""
    if not is_visible(row, reader, known):
        raise Hidden(f"alert {row.identity} is not for subscriber {reader.id}")
    title, hint = titles(row, known, words)
    priced = cost(row, known)
    is_over = what == "resolved"
    end_ms = row.ends_at if row.ends_at is not None else now_ms
    return View(
        title=title,
        text=_text(row, known, words),
        mark=RESOLVED_MARK if is_over else SEVERITY_MARKS[row.severity],
        severity=words(SEVERITY_TEXTS[row.severity]),
        severity_id=row.severity,
        state=words(STATES[what]) if STATES[what] else "",
        is_over=is_over,
        where=_where(row, known, words),
        short_where=clean(row.meter or _company(row, known, words) or row.node, 24) or words("the zone"),
        since=words.moment(row.starts_at),
        short_since=words.short_moment(row.starts_at, now_ms),
        lasted=words.span(max(0, end_ms - row.starts_at)),
        ended=words.moment(row.ends_at) if is_over and row.ends_at is not None else "",
        seen="" if row.value is None else _quantity(row.value, row, known, words),
        expected=_band(row, known, words),
        impact="" if row.impact_kg is None else words("{number} kg CO2e", number=words.number(row.impact_kg)),
        cost=_cost(priced, words),
        short_cost="" if priced is None else f"{words.number(priced.amount)} {priced.tariff.currency}",
        hint=hint,
        facts=tuple(_facts(row, known, words, links or Links())),
        rule=clean(row.rule),
        identity=row.identity,
        links=links or Links(),
    )


def runbook_link(rule: str, board_url: str) -> str:
    """The board's page of what to do about an alert of the pipeline; '' for other alerts, and where there is no board."""
    return f"{board_url}/runbook/{rule}" if board_url and rule in PIPELINE_RULES else ""


def titles(row: Row, known: Directory, words: Words) -> tuple[str, str]:
    """What a rule is called, and what to do."""
    texts = RULE_TEXTS.get(row.rule)
    if texts is None:
        texts = OF_THE_REGISTRY if row.rule in known.rules else OF_THE_PIPELINE if row.rule.startswith("ops_") else OTHER
    return words(texts[0]), words(texts[1])


def named(names: dict[str, str] | object, fallback: str, words: Words) -> str:
    """A name in the reader's language, else in any."""
    found = dict(names) if isinstance(names, dict) else {}
    return clean(found.get(words.language) or found.get("en") or next(iter(found.values()), fallback))


def _text(row: Row, known: Directory, words: Words) -> str:
    """What the zone's own rule says of itself."""
    rule = known.rules.get(row.rule)
    return "" if rule is None or row.rule in RULE_TEXTS else clean(named(dict(rule[1]), "", words), 200)


def _company(row: Row, known: Directory, words: Words) -> str:
    return named(dict(known.companies.get(row.company, {})), row.company, words) if row.company else ""


def _where(row: Row, known: Directory, words: Words) -> str:
    parts = [clean(row.meter), clean(row.node) if row.node and not row.meter else "", _company(row, known, words)]
    return words.comma.join(part for part in parts if part) or named(dict(known.zone_name), known.zone, words)


def _facts(row: Row, known: Directory, words: Words, links: Links) -> list[tuple[str, str]]:
    meter, evidence = known.meters.get(row.meter), row.facts()
    found = [("Register", clean(evidence["register"]))] if isinstance(evidence.get("register"), str) else []
    if meter is not None:
        found += [("Site", clean(meter.site)), ("Gateway", clean(meter.gateway))]
    elif isinstance(evidence.get("site"), str):
        found.append(("Site", clean(evidence["site"])))
    found.append(("Node", clean(row.node) if row.meter else ""))
    pipeline = f"zonepulse runbook {row.rule}" if row.rule in PIPELINE_RULES else ""
    found += [("Rule", clean(row.rule)), ("Runbook", clean(known.runbooks.get(row.rule) or links.runbook or pipeline))]
    return [(words(label), text) for label, text in found if text]


def _unit(row: Row, known: Directory) -> str:
    rule, meter = known.rules.get(row.rule), known.meters.get(row.meter)
    if rule is not None:
        return UNITS.get(rule[0], "")
    if row.rule in UNITS_OF_RULES:
        return UNITS_OF_RULES[row.rule]
    register = row.facts().get("register")
    if meter is not None and isinstance(register, str) and register in meter.registers:
        return meter.registers[register][0]
    return ""


def _quantity(value: float, row: Row, known: Directory, words: Words) -> str:
    return f"{words.number(value)} {clean(_unit(row, known), 20)}".rstrip()


def _cost(priced: Cost | None, words: Words) -> str:
    if priced is None:
        return ""
    tariff = priced.tariff
    return words(
        "about {amount} {currency} above what was expected ({price} {currency}/{unit}, {source})",
        amount=words.number(priced.amount),
        currency=tariff.currency,
        price=words.number(float(tariff.price)),
        unit=tariff.unit,
        source=clean(tariff.source),
    )


def _band(row: Row, known: Directory, words: Words) -> str:
    low, high = row.expected_low, row.expected_high
    if low is not None and high is not None:
        return words("from {low} to {high}", low=words.number(low), high=_quantity(high, row, known, words))
    if high is not None:
        return words("at most {high}", high=_quantity(high, row, known, words))
    return "" if low is None else words("at least {low}", low=_quantity(low, row, known, words))
