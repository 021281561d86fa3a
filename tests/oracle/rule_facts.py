"""The indicators of what rules are on, window by window, read from the book and from the rows of channels."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from fractions import Fraction
from math import floor
from typing import Any

from zonepulse.oracle.carbon.book import Book
from zonepulse.oracle.carbon.plan import Key, Plan
from zonepulse.oracle.carbon.windows import Window
from zonepulse.oracle.rules import Over
from zonepulse.oracle.zone.registry import Registry, Rule

_USE = {"import": 1, "generation": 1, "consumption": 1, "discharge": 1, "export": -1, "charge": -1}
Found = dict[str, Any]
"""covered_ms, expected_ms and the indicators that are known."""


def subjects_of(rule: Rule, registry: Registry) -> list[tuple[str, str]]:
    """(scope, name) of everything that a rule is on."""
    names = {
        "zone": [registry.policy.zone],
        "company": registry.companies,
        "site": [*registry.sites],
        "node": registry.network.nodes,
        "meter": sorted({meter for meter, _ in registry.channels}),
        "register": sorted(f"{meter}/{register}" for meter, register in registry.channels),
    }[rule.on]
    return [(rule.on, name) for name in names if not rule.only or any(fnmatchcase(name, one) for one in rule.only)]


def families_of(registry: Registry) -> list[str]:
    """Meters that others name as their main meter; none that counts what leaves, or on whose site something else feeds in."""
    versions = [facts for found in registry.channels.values() for facts in found if facts.carrier == "electricity" and facts.counts]
    fed = {facts.site for facts in versions if facts.role in ("generation", "production", "storage")}
    named = sorted({facts.parent for facts in versions if facts.role == "sub" and facts.parent})
    own = {name: [facts for facts in versions if facts.meter == name] for name in named}
    return [name for name in named if own[name] and not any(facts.site in fed or _USE[facts.direction] < 0 for facts in own[name])]


def family_facts(meter: str, window: Window, plan: Plan, length_ms: int) -> tuple[bool, tuple[int, int] | None] | None:
    """Whether all of a family's registers cover the window, and what main and subs count then; None: none of them has a row."""
    family = {
        key: facts
        for key, facts in plan.facts.items()
        if facts.carrier == "electricity"
        and facts.counts
        and (facts.meter == meter or (facts.role, facts.parent) == ("sub", meter))
    }
    rows = {key: window.rows[key] for key in family if key in window.rows}
    if not rows:
        return None
    is_covered = sum(row.covered_ms for row in rows.values()) == len(family) * length_ms
    counted = [
        [_USE[family[key].direction] * (row.value or 0) for key, row in rows.items() if (family[key].meter == meter) == is_main]
        for is_main in (True, False)
    ]
    return is_covered, (sum(counted[0]), sum(counted[1])) if is_covered and counted[0] and counted[1] else None


def power_meters_of(registry: Registry) -> list[tuple[str, int]]:
    """Meters that count active and reactive energy, and the micro-kWh that max_power lets through in a window."""
    found = list[tuple[str, int]]()
    for name in sorted({meter for meter, _ in registry.channels}):
        versions = [f for (meter, _), of in registry.channels.items() if meter == name for f in of if f.counts]
        powers = [f.max_power_micro or 0 for f in versions if f.carrier == "electricity"]
        if powers and any(f.carrier == "reactive" for f in versions):
            found.append((name, max(powers) * registry.policy.window_ms // 3_600_000))
    return found


def power_facts(meter: str, window: Window, plan: Plan, length_ms: int) -> tuple[bool, tuple[int, int] | None] | None:
    """Whether all of a meter's registers of energy cover the window, and what is drawn then, active and reactive; None: no row."""
    of = {key: f for key, f in plan.facts.items() if f.meter == meter and f.counts and f.carrier in ("electricity", "reactive")}
    rows = {key: window.rows[key] for key in of if key in window.rows}
    if not rows:
        return None
    is_covered = sum(row.covered_ms for row in rows.values()) == len(of) * length_ms
    active, reactive = (
        [_USE[of[key].direction] * (row.value or 0) for key, row in rows.items() if of[key].carrier == carrier]
        for carrier in ("electricity", "reactive")
    )
    return is_covered, (sum(active), sum(reactive)) if is_covered and active and reactive else None


def plants_of(registry: Registry) -> list[Key]:
    """Generation registers of electricity whose peak power is known."""
    return [
        key
        for key, versions in registry.channels.items()
        if any(f.kwp is not None and (f.carrier, f.direction) == ("electricity", "generation") for f in versions)
    ]


def plant_facts(window: Window, plan: Plan, length_ms: int) -> tuple[bool, dict[Key, int]] | None:
    """Whether all plants cover the window, and what those that are covered made; None: none of them has a row."""
    plants = [
        key for key, f in plan.facts.items() if f.kwp is not None and (f.carrier, f.direction) == ("electricity", "generation")
    ]
    rows = {key: window.rows[key] for key in plants if key in window.rows}
    if not rows:
        return None
    made = {key: row.value or 0 for key, row in rows.items() if row.covered_ms > 0}
    return sum(row.covered_ms for row in rows.values()) == len(plants) * length_ms, made


@dataclass
class Reader:
    """Reads what a subject says of a window; None: there is no row yet that it is judged by."""

    registry: Registry
    book: Book

    def read(self, subject: tuple[str, str], window: Window, plan: Plan, start_ms: int) -> Found | None:
        """The facts of one window."""
        scope, name = subject
        if scope in ("zone", "company"):
            found = self._of_entity(scope, name, start_ms)
        elif scope == "node":
            found = self._of_node(name, start_ms)
        else:
            found = self._of_channels(subject, window, plan, start_ms)
        if found is None:
            return None
        out: Found = {
            "raw": found,
            "covered_ms": found["covered_ms"],
            "expected_ms": found["expected_ms"],
            "g_per_kwh": found.get("g_per_kwh"),
        }
        out["completeness"] = found["covered_ms"] / found["expected_ms"] if found["expected_ms"] else None
        for name, micro in (
            ("co2e_kg", "co2e_mg"),
            ("imbalance_kwh", "imbalance_micro"),
            ("energy_kwh", "energy_micro"),
            ("quantity", "quantity_micro"),
        ):
            out[name] = None if found.get(micro) is None else found[micro] / 1_000_000
        for name, micro in (("power_kw", "energy_micro"), ("quantity_per_h", "quantity_micro")):
            known = found.get(micro)
            out[name] = None if known is None else known * 3_600_000 / (1_000_000 * self.registry.policy.window_ms)
        part = found.get("part")
        out["estimated_share"] = None if part is None or part[1] is None or part[1] <= 0 else part[0] / part[1]
        return out

    def outside(self, rule: Rule, found: Found, low: float | None, high: float | None) -> Over:
        """What a window has above or below a rule's bounds: micro-kWh and mg; None: not known."""
        raw = found["raw"]
        mg, micro = raw.get("rate") or (None, None)
        if mg is None or micro is None or micro <= 0:
            mg, micro = None, 1
        if rule.indicator == "co2e_kg":
            known = raw.get("co2e_mg")
            return None, None if known is None else _beyond(
                known, *(None if b is None else round(b * 1_000_000) for b in (low, high))
            )
        if rule.indicator == "g_per_kwh":
            bounds = (None if b is None else round(b * 1000) * micro // 1_000_000 for b in (low, high))
            return None, None if mg is None else _beyond(mg, *bounds)
        of = {
            "energy_kwh": "energy_micro",
            "power_kw": "energy_micro",
            "quantity": "quantity_micro",
            "quantity_per_h": "quantity_micro",
        }
        amount = raw.get(of.get(rule.indicator, ""))
        if amount is None:
            return None, None
        share = Fraction(self.registry.policy.window_ms, 3_600_000) if rule.indicator in ("power_kw", "quantity_per_h") else 1
        beyond = _beyond(amount, *(None if b is None else floor(round(b * 1_000_000) * share) for b in (low, high)))
        return beyond if of[rule.indicator] == "energy_micro" else None, None if mg is None else beyond * mg // micro

    def members(self, subject: tuple[str, str], plan: Plan) -> list[Key]:
        """The channels that a site, meter or register is judged by, of those that are registered then."""
        scope, name = subject
        if scope == "register":
            return [key for key in plan.facts if "/".join(key) == name]
        if scope == "meter":
            return [key for key, facts in plan.facts.items() if facts.meter == name and facts.counts]
        return [key for key in plan.pools if plan.facts[key].site == name and plan.facts[key].role != "boundary"]

    def _of_entity(self, scope: str, name: str, start_ms: int) -> Found | None:
        use = self.book.total(start_ms, scope, name, "electricity", 0, "")
        judged = use if scope == "company" else self.book.intensity(start_ms, "", "location")
        if judged is None:
            return None
        known = [total["co2e_mg"] for total in (self.book.total(start_ms, scope, name, "", n, "location") for n in (1, 2)) if total]
        known = [mg for mg in known if mg is not None]
        return {
            "covered_ms": judged["covered_ms"],
            "expected_ms": judged["expected_ms"],
            "energy_micro": None if use is None else use["energy_micro"],
            "co2e_mg": sum(known) if known else None,
            "g_per_kwh": judged.get("g_per_kwh"),
            "rate": self._rate_of(scope, name, judged, start_ms),
            "part": (judged["estimated_micro"], judged["energy_micro"]) if scope == "company" else _share(judged),
        }

    def _rate_of(self, scope: str, name: str, judged: Found, start_ms: int) -> tuple[Any, Any] | None:
        """Of the zone its intensity, of a company its import."""
        row = judged if scope == "zone" else self.book.total(start_ms, "company", name, "electricity", 2, "location")
        return None if row is None else (row["co2e_mg"], row["energy_micro"])

    def _of_node(self, node: str, start_ms: int) -> Found | None:
        balance = self.book.total(start_ms, "imbalance", node, "electricity", 0, "nodal")
        entering = self.book.intensity(start_ms, node, "nodal")
        if balance is None or entering is None:
            return None
        return {
            "covered_ms": balance["covered_ms"],
            "expected_ms": balance["expected_ms"],
            "energy_micro": entering["energy_micro"],
            "co2e_mg": entering["co2e_mg"],
            "g_per_kwh": entering["g_per_kwh"],
            "imbalance_micro": balance["energy_micro"],
            "rate": (entering["co2e_mg"], entering["energy_micro"]),
            "part": _share(entering),
        }

    def _of_channels(self, subject: tuple[str, str], window: Window, plan: Plan, start_ms: int) -> Found | None:
        keys = self.members(subject, plan)
        rows = {key: window.rows[key] for key in keys if key in window.rows}
        if not rows:
            return None
        covered = {key: row for key, row in rows.items() if row.covered_ms > 0}
        is_register = subject[0] == "register"
        signed = [
            (1 if is_register else _USE[plan.facts[key].direction], row)
            for key, row in covered.items()
            if plan.facts[key].carrier == "electricity"
        ]
        energy = sum(sign * (row.value or 0) for sign, row in signed) if signed else None
        part = (sum(sign * row.estimated for sign, row in signed), energy)
        found: Found = {
            "covered_ms": sum(row.covered_ms for row in rows.values()),
            "expected_ms": len(keys) * self.registry.policy.window_ms,
            "energy_micro": energy,
        }
        emitted = {key: emission["co2e_mg"] for key, emission in ((key, window.emission(key)) for key in rows) if emission}
        known = [mg for mg in emitted.values() if mg is not None]
        valued = [
            (emitted[key], row.value or 0)
            for key, row in covered.items()
            if emitted.get(key) is not None and (is_register or plan.facts[key].carrier == "electricity")
        ]
        found["rate"] = (sum(mg for mg, _ in valued), sum(value for _, value in valued)) if valued else None
        found["co2e_mg"] = sum(known) if known else None
        if is_register:
            row = next(iter(covered.values()), None)
            found["quantity_micro"] = row and row.value
            part = (row.estimated, row.value) if row else (0, None)
        return found | {"part": part}


def _beyond(amount: int, low: int | None, high: int | None) -> int:
    return max(0, 0 if high is None else amount - high, 0 if low is None else low - amount)


def _share(row: Found) -> tuple[Any, Any]:
    return (row["estimated_share"], 1) if (row["energy_micro"] or 0) > 0 else (0, None)
