"""What rules are on, and the indicators of each scope.

A window of a scope is judged by one row, or by those of its channels:

| scope | judged by | `energy_kwh` is | `co2e_kg` is |
|---|---|---|---|
| zone | its row of intensity, basis location | use of electricity | scope 1 and 2, location |
| company | its row of totals, electricity, scope 0 | use of electricity | scope 1 and 2, location |
| node | its nodal row of imbalance | what comes in, by meters | what comes in |
| site | the registers that company totals count | what comes in less what leaves | that of its registers |
| meter | its registers, but for those with `counts: false` | the same | the same |
| register | itself | what it counts, of electricity | the same |

What comes in less what leaves is, of electricity, import + consumption + generation + discharge - export - charge. `co2e_kg` of registers
is that of their rows of emissions: of those that company totals count and that bear some. `power_kw` is the mean over the window,
`g_per_kwh` that of the row of intensity, `imbalance_kwh` a node's inflow less its outflow, by meters; `quantity` and `quantity_per_h` are a
register's own, in its base unit (kWh, Nm3, ...). `completeness` is the share of the time that is covered, 0 to 1; `estimated_share` the
estimated part of the energy (of a register's quantity), 0 to 1, not known where that is not above 0.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import chain
from typing import Final, Literal, get_args

from zonepulse.schemas.registry.model import Registry, Rule
from zonepulse.schemas.rules.expressions import indicators_of, parse_expression

Scope = Literal["zone", "company", "site", "node", "meter", "register"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
_OF_ALL: Final = ("co2e_kg", "energy_kwh", "power_kw", "completeness", "estimated_share")
INDICATORS_ON: Final[dict[Scope, tuple[str, ...]]] = {
    "zone": ("g_per_kwh", *_OF_ALL),
    "company": _OF_ALL,
    "site": _OF_ALL,
    "node": ("g_per_kwh", "imbalance_kwh", *_OF_ALL),
    "meter": _OF_ALL,
    "register": ("quantity", "quantity_per_h", *_OF_ALL),
}
INDICATORS: Final = tuple(dict.fromkeys(chain.from_iterable(INDICATORS_ON.values())))
"""Of any scope."""


def names_on(scope: Scope, registry: Registry) -> Iterator[str]:
    """What a rule on a scope may name; a register is `meter/register`."""
    if scope == "zone":
        yield registry.zone.id
    elif scope == "company":
        yield from (company.id for company in registry.companies)
    elif scope == "site":
        yield from (site.id for site in registry.sites)
    elif scope == "node":
        yield from registry.network.nodes
    elif scope == "meter":
        yield from dict.fromkeys(meter.id for meter in registry.meters)
    else:
        yield from dict.fromkeys(f"{meter.id}/{register.id}" for meter in registry.meters for register in meter.registers)


def is_on(rule: Rule, name: str) -> bool:
    """Whether a rule is on one of its scope's; without a list it is on all of them."""
    return not rule.only or any(fnmatchcase(name, pattern) for pattern in rule.only)


def named_by(rule: Rule) -> tuple[str, ...]:
    """The indicators that a rule is about, each once."""
    if rule.indicator:
        return (rule.indicator,)
    trees = [parse_expression(text) for text in (rule.expr, rule.clear_expr) if text]
    return tuple(dict.fromkeys(name for tree in trees for name in indicators_of(tree)))
