"""The section `rules` of zone.yaml: each alert rule read into its entity. What needs more than one entity is in checks/rules.py."""

from typing import Final, Literal, NamedTuple

from zonepulse.schemas.registry.model import Rule
from zonepulse.schemas.rules.expressions import parse_expression
from zonepulse.schemas.rules.scopes import SCOPES, Scope
from zonepulse.schemas.values import BadValue
from zonepulse.schemas.zone_file.positions import Fields, Place, Reader
from zonepulse.schemas.zone_file.values import DURATION, FLOAT, IDENTIFIER, LOCALISED, TEXT, TRUTH, one_of, optional

_KEYS: Final = (
    "id", "on", "when", "for", "keep_firing", "clear", "calendar", "severity", "text", "runbook",
)  # fmt: skip
_SCOPE: Final[Reader[Scope]] = one_of(*SCOPES)
_CHANGE: Final[Reader[Literal["", "absolute", "percent"]]] = one_of("absolute", "percent")
_SEVERITY: Final[Reader[Literal["info", "warning", "critical"]]] = one_of("info", "warning", "critical")


class _When(NamedTuple):
    """What a rule compares, and with what."""

    above: float | None = None
    below: float | None = None
    indicator: str = ""
    expr: str = ""
    change: Literal["", "absolute", "percent"] = ""
    against_ms: int = 0
    unusual: bool = False


def read_rule(place: Place) -> Rule:
    """One alert rule."""
    f = Fields(place, _KEYS)
    when, rule = f.need("when", _WHEN), f.need("id", IDENTIFIER)
    on, only = f.need("on", _ON)
    clear = f.read("clear", _CLEAR, _When())
    if clear.expr and when.indicator:
        place.fail("`clear` is an expression and `when` is none", "write {below: b} or {above: a}, or `when: {expr: ...}`")
    elif when.expr and (clear.above is not None or clear.below is not None):
        place.fail("`clear` is a bound and `when` an expression", "write `clear: {expr: ...}`")
    elif when.unusual and clear != _When():
        place.fail("`clear` beside `unusual`", "leave it out: what is usual again ends it")
    return Rule(
        id=rule,
        on=on,
        indicator=when.indicator,
        above=when.above,
        below=when.below,
        for_ms=f.read("for", DURATION, 0),
        keep_firing_ms=f.read("keep_firing", DURATION, 0),
        clear_above=clear.above,
        clear_below=clear.below,
        severity=f.read("severity", _SEVERITY, "warning"),
        text=f.read("text", LOCALISED, {}) or {"en": rule},
        only=only,
        expr=when.expr,
        clear_expr=clear.expr,
        change=when.change,
        against_ms=when.against_ms,
        calendar=f.read("calendar", IDENTIFIER, ""),
        runbook=f.read("runbook", _LINK, ""),
        unusual=when.unusual,
    )


def _on(place: Place) -> tuple[Scope, tuple[str, ...]]:
    """A scope, or a list of `scope:pattern` of one scope."""
    if place.kind != "seq":
        return _SCOPE.read(place), ()
    found = [(item, *TEXT.read(item).partition(":")) for item in place.items()]
    if not found:
        place.fail("the rule is on nothing", "write a scope, such as company, or a list such as [company:steel, company:auto-*]")
        return "zone", ()
    scopes = [scope for scope in SCOPES if scope == found[0][1]]
    for item, scope, _, pattern in found:
        if scope not in SCOPES or not pattern:
            item.fail(f"{item.shown} names nothing", f"write scope:id with * and ? in the id; scopes: {', '.join(SCOPES)}")
        elif scope != found[0][1]:
            item.fail(f"{scope} beside {found[0][1]}", "rules on two scopes are two rules")
    return (scopes[0] if scopes else "zone"), tuple(pattern for *_, pattern in found)


def _when(place: Place) -> _When:
    f = Fields(place, ("indicator", "above", "below", "expr", "change", "against", "unusual"))
    if f.read("unusual", TRUTH, False):
        if any(key in f for key in ("above", "below", "expr", "change", "against")):
            place.fail("is about what is unusual and has other keys", "write {indicator: energy_kwh, unusual: true}")
        return _When(indicator=f.need("indicator", IDENTIFIER), unusual=True)
    if "expr" in f:
        if any(key in f for key in ("indicator", "above", "below", "change", "against")):
            place.fail("has an expression and other keys", "write what they say in `expr`, or a rule without one")
        return _When(expr=f.need("expr", _EXPRESSION))
    change = f.read("change", _CHANGE, "")
    against_ms = f.read("against", DURATION, 0)
    if f.is_mapping and (change != "") != (against_ms > 0):
        place.fail("`change` and `against` belong together", "write both, such as {change: percent, against: 7d}, or neither")
    return _When(*_one_bound(place, f), f.need("indicator", IDENTIFIER), "", change, against_ms)


def _clear(place: Place) -> _When:
    f = Fields(place, ("above", "below", "expr"))
    if "expr" in f and "above" not in f and "below" not in f:
        return _When(expr=f.need("expr", _EXPRESSION))
    return _When(*_one_bound(place, f))


def _one_bound(place: Place, f: Fields) -> tuple[float | None, float | None]:
    above, below = f.read("above", optional(FLOAT), None), f.read("below", optional(FLOAT), None)
    if f.is_mapping and (above is None) == (below is None):
        place.fail("needs exactly one of `above` and `below`", "write one of them; two bounds are two rules")
    return above, below


def _expression(place: Place) -> str:
    text = TEXT.read(place)
    try:
        parse_expression(text)
    except BadValue as error:
        place.fail(error.what, error.remedy)
        return ""
    return text


def _link(place: Place) -> str:
    text = TEXT.read(place)
    if text and not text.startswith(("https://", "http://")):
        place.fail(f"{place.shown} is no link", "write one that begins with https://")
    return text


_ON: Final[Reader[tuple[Scope, tuple[str, ...]]]] = Reader(_on, ("zone", ()), "zone")
_WHEN: Final[Reader[_When]] = Reader(_when, _When(), "{indicator: g_per_kwh, above: 450}")
_CLEAR: Final[Reader[_When]] = Reader(_clear, _When(), "{below: 430}")
_EXPRESSION: Final[Reader[str]] = Reader(_expression, "", "power_kw > 100 and g_per_kwh > 300")
_LINK: Final[Reader[str]] = Reader(_link, "", "https://wiki.example/what-to-do")
