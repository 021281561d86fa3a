"""Why rows of two runs differ: factors, registry, readings, or code, by what the runs were made with and by what the rows say.

A row's causes are bits. An interval's registry is another where its meter's entry or what the row copies from it is; else its readings are,
where one run took in others; what nothing of this explains is the program's (or somebody changed the store). An emission with the
interval's causes has its factor's besides, if that differs; a sum has those of the rows of its window, or of its hour or day.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.tables.results import EMISSIONS, INTERVALS, Table
from zonepulse.streams.replay.files_run import registry_of
from zonepulse.streams.replay.runs import Run

FACTORS, REGISTRY, READINGS, CODE = 1, 2, 4, 8
NAMES: Final = {FACTORS: "factors", REGISTRY: "registry", READINGS: "readings", CODE: "code"}
FACTS: Final = "site", "company", "node", "carrier", "role", "direction"
"""What an interval row copies from the registry."""
ALL: Final = "*"
"""Of a window, the rows of all companies."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a run is made with: the registry versions that it may obey, and whether it takes in late readings."""

    registries: Sequence[Registry]
    has_own_registry: bool = False
    has_late: bool = False
    log: Any = None
    """What it has read, where that is not the whole log to the end of what can revise the stretch."""


def made_with(run: Run | None, of_log: Sequence[Registry]) -> Made:
    """Of a run, or the live one; `of_log` are the registry versions that the log names, in order. Raises problems.RegistryError."""
    if run is None:
        return Made(of_log)
    if (plan := run.plan) is None:  # of files
        return Made(of_log, log=run.name)
    if plan.files:
        return Made([registry_of(plan, of_log)], True, log=plan.files)
    own = plan.registry()
    registries = [plan.as_known(version) for version in of_log] if own is None else [own]
    return Made(registries, own is not None, bool(plan.late_offsets), plan.offsets if plan.caveats else None)


@dataclass(frozen=True, slots=True)
class Inputs:
    """In what two runs were made differently. `possible`: bits of what is not the same; `meters` and `factors`: ids."""

    possible: int = 0
    meters: frozenset[str] = frozenset()
    factors: frozenset[str] = frozenset()

    @property
    def parameters(self) -> dict[str, Any]:
        """Of the SQL below."""
        return {"meters": sorted(self.meters), "factors": sorted(self.factors)}


NOTHING_ELSE: Final = Inputs()
"""The same registry, factors and readings."""


def inputs(a: Made, b: Made) -> Inputs:
    """Two runs, the live one may be among them."""
    is_of_log = not (a.has_own_registry or b.has_own_registry)
    pairs = (
        list(zip(a.registries, b.registries, strict=True)) if is_of_log else [(x, y) for x in a.registries for y in b.registries]
    )
    meters = {id for x, y in pairs for id in _changed(_by_meter(x), _by_meter(y))}
    factors = {id for x, y in pairs for id in _changed(_by_id(x.factors), _by_id(y.factors))}
    is_other = any(_rest(x) != _rest(y) for x, y in pairs)
    is_read_otherwise = (a.has_late, a.log) != (b.has_late, b.log)
    possible = (FACTORS if factors else 0) | (REGISTRY if meters or is_other else 0) | (READINGS if is_read_otherwise else 0)
    return Inputs(possible, frozenset(meters), frozenset(factors))


def names(bits: int) -> list[str]:
    """Of causes."""
    return [name for bit, name in NAMES.items() if bits & bit]


def _rest(registry: Registry) -> Any:
    """What is neither a meter nor a factor, and may change rows."""
    return (
        registry.zone, registry.companies, registry.sites, registry.rules, registry.network, registry.contracts, registry.entries,
        registry.more,
    )  # fmt: skip


def _by_meter(registry: Registry) -> dict[str, Any]:
    found: dict[str, list[Any]] = {}
    for version in registry.meters:
        found.setdefault(version.id, []).append(version)
    for change in registry.meter_changes:
        found.setdefault(change.meter, []).append(change)
    return found


def _by_id(factors: Iterable[Any]) -> dict[str, Any]:
    found: dict[str, list[Any]] = {}
    for factor in factors:
        found.setdefault(factor.id, []).append(factor)
    return found


def _changed(a: Mapping[str, Any], b: Mapping[str, Any]) -> set[str]:
    return {id for id in a.keys() | b.keys() if a.get(id) != b.get(id)}


# --- as SQL -------------------------------------------------------------------------------------------------------------------------


def sides(table: Table) -> str:
    """What `with_bits` asks of a key's rows besides: `fa`, `fb` of what is copied or multiplied with, `ea`, `eb` of the energy; seconds."""
    if table is INTERVALS:
        return _digests("f", FACTS) + ", toString(anyLast(company)) AS owner"
    if table is EMISSIONS:
        own = ", groupUniqArray(toString(factor_id)) AS ids, toString(company) AS owner"
        return _digests("f", ("factor_id", "rung")) + _digests("e", ("energy_micro", "estimated_micro")) + own
    return f", any({table.lasts}) AS row_lasts" if table.lasts else ""


def _digests(name: str, columns: Iterable[str]) -> str:
    value = f"sipHash128(toString(tuple({', '.join(f'`{column}`' for column in columns)})))"
    return "".join(f", anyIf({value}, run = {{{side}:String}}) AS {name}{side}" for side in "ab")


def with_bits(table: Table, rows: Mapping[str, str], possible: int) -> str:
    """The rows of `table` that differ, with `bits`. `rows`: of every table the keys of both runs with what either says, as diff.py asks."""
    differing = f"SELECT * FROM ({rows[table.name]}) WHERE ha != hb OR na != nb"
    if table is INTERVALS:
        return f"SELECT *, {_of_interval(possible)} AS bits FROM ({differing})"
    if table is EMISSIONS:
        return _of_emissions(differing, with_bits(INTERVALS, rows, possible), possible or CODE)
    unknown = possible or CODE
    if table.time not in table.key:
        return f"SELECT *, {unknown} AS bits FROM ({differing})"
    made = " UNION ALL ".join(
        f"SELECT start AS at, owner, bits AS own FROM ({with_bits(source, rows, possible)})" for source in (INTERVALS, EMISSIONS)
    )
    windows = f"SELECT at, arrayJoin([owner, '{ALL}']) AS whose, groupBitOr(own) AS w_bits FROM ({made}) GROUP BY at, whose"
    whose = f"if(entity_kind = 'company', toString(entity), '{ALL}')" if "entity" in table.key else f"'{ALL}'"
    if table.lasts:
        inside = f"w.1 >= e.{table.time} AND w.1 < addSeconds(e.{table.time}, e.row_lasts)"
        bits = f"arrayReduce('groupBitOr', arrayMap(w -> if({inside}, w.2, 0), found))"
        return (
            f"SELECT e.*, if({bits} = 0, {unknown}, {bits}) AS bits FROM (SELECT *, {whose} AS e_whose FROM ({differing})) AS e"
            f" LEFT JOIN (SELECT whose, groupArray((at, w_bits)) AS found FROM ({windows}) GROUP BY whose) AS w ON whose = e_whose"
        )
    return (
        f"SELECT e.*, if(w_bits = 0, {unknown}, w_bits) AS bits FROM (SELECT *, {whose} AS e_whose FROM ({differing})) AS e"
        f" LEFT JOIN ({windows}) AS w ON at = e.{table.time} AND whose = e_whose"
    )


def _of_interval(possible: int) -> str:
    registry = f"if(has({{meters:Array(String)}}, toString(meter)) OR (na > 0 AND nb > 0 AND fa != fb), {REGISTRY}, 0)"
    readings, rest = possible & READINGS, possible & REGISTRY or CODE
    return f"if({registry} + {readings} = 0, {rest}, {registry} + {readings})"


def _of_emissions(differing: str, intervals: str, unknown: int) -> str:
    is_known = "hasAny(ids, {factors:Array(String)})"
    is_energy = f"(na = 0 OR nb = 0 OR ea != eb OR (fa = fb AND NOT {is_known}))"
    is_factor = f"((na > 0 AND nb > 0 AND fa != fb) OR NOT {is_energy})"
    energy, factor = f"if(i_bits = 0, {unknown}, i_bits)", f"if({is_known}, {FACTORS}, {unknown})"
    return (
        f"SELECT e.*, bitOr(if({is_energy}, {energy}, 0), if({is_factor}, {factor}, 0)) AS bits FROM ({differing}) AS e"
        f" LEFT JOIN (SELECT meter AS i_meter, register AS i_register, start AS i_start, bits AS i_bits FROM ({intervals})) AS i"
        " ON i_meter = e.meter AND i_register = e.register AND i_start = e.start"
    )
