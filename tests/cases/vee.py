"""The suite `vee_cases.json`: validation, estimation and editing of metered values.

A group's adapter turns `params` and `input` of a case into everything that the group may expect. Parameters that a case leaves out have
the published defaults of those functions.

Not every case judges what runs, and each verdict says so (`runs`). Cases about readings of registers go through the core that workers
run. Checks of clock, spike, sum, unit, range, reactive energy and of a month's estimated share are functions of `processors.quality` and
`processors.estimation` that no worker calls yet; `stuck` cases too: workers run another rule, which compares whole windows exactly.
Filling a gap from like days (`gap`) needs a year of history, which only a replay has.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

import vee_registers
from verdict import LIVE, NOT_YET, REPLAY, Verdict, problems

from zonepulse.processors.vee import checks as quality
from zonepulse.processors.vee import estimation

Values = Mapping[str, Any]
MS_PER_MIN = 60_000
SCHEMA_VERSION = 1


def judge(document: object) -> Iterator[Verdict]:
    """A verdict for each case of the parsed file. Raises ValueError if it is no VEE suite."""
    if not isinstance(document, dict) or not isinstance(document.get("cases"), list) or not document["cases"]:
        raise ValueError("needs an object with a list `cases` that is not empty")
    if document.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        raise ValueError(f"schema_version {document['schema_version']!r} is not known; this runner reads {SCHEMA_VERSION}")
    for number, case in enumerate(document["cases"], 1):
        yield _judge_case(case, number)


def _judge_case(case: object, number: int) -> Verdict:
    if not isinstance(case, dict):
        return Verdict(f"case {number}", "no object", (f"a case is an object with id, group, input, expected; got {case!r}",))
    name, title, group = str(case.get("id", f"case {number}")), str(case.get("title", "")), case.get("group")
    if group not in GROUPS:
        return Verdict(name, title, (f"group {group!r} is not known; known: {', '.join(GROUPS)}",))
    if not isinstance(case.get("input"), dict) or not isinstance(case.get("expected"), dict) or not case["expected"]:
        return Verdict(name, title, ("needs the objects `input` and `expected`, the latter not empty",))
    adapter, answers = GROUPS[group]
    try:
        got = adapter(case.get("params") or {}, case["input"])
    except KeyError as error:
        return Verdict(name, title, (f"the case lacks {error}, which group {group!r} needs",), _runs(group, case["input"]))
    except Exception as error:  # a case that breaks must not hide the others
        return Verdict(name, title, (f"cannot be judged: {type(error).__name__}: {error}",), _runs(group, case["input"]))
    return Verdict(name, title, problems(case["expected"], got, answers or tuple(got)), _runs(group, case["input"]))


def _runs(group: str, values: Values) -> str:
    """Whether workers do what a case of this group judges."""
    if group in LIVE_GROUPS:
        return LIVE
    return REPLAY if group == "gap" and "missing" in values else NOT_YET


def _given(params: Values, **names: str) -> dict[str, Any]:
    """Keyword arguments from those parameters that the case names: argument = parameter."""
    return {argument: params[name] for argument, name in names.items() if name in params}


def clock(params: Values, values: Values) -> dict[str, object]:
    if params.get("rule") == "Elexon" or "correct_from_s" in params:
        limits = _given(params, correct_from_s="correct_from_s", correct_to_s="correct_to_s")
        return {"outcome": quality.clock_action(values["offset_s"], **limits)}
    if params.get("rule", "UBP") != "UBP" and "fail_above_s" not in params:
        raise ValueError(f"rule {params['rule']!r} has no default here; give fail_above_s")
    return {"outcome": quality.clock_check(values["offset_s"], **_given(params, fail_above_s="fail_above_s"))}


def spike(params: Values, values: Values) -> dict[str, object]:
    """The parameter `third_zero` names the outcome where the third-highest value is 0 (default: fail)."""
    given = _given(params, threshold="threshold", skip_up_to="skip_if_highest_le_pulses", third_zero="third_zero")
    if "third_zero" in given:
        given["third_zero"] = quality.Outcome(given["third_zero"])
    found = quality.spike_check(values["values"], **given)
    return {"outcome": found.outcome, "third_highest": found.third_highest, "ratio": found.ratio}


def gap(params: Values, values: Values) -> dict[str, object]:
    if "days" in values:
        slot_ms = int(params.get("slot_min", 15) * MS_PER_MIN)
        return {"expected_intervals": [estimation.expected_intervals(z, date.fromisoformat(d), slot_ms) for z, d in values["days"]]}
    if "expected_slots" in values:
        limit = _given(params, max_share="max_share")
        share, outcome = estimation.estimated_share(values["estimated_slots"], values["expected_slots"], **limit)
        return {"share": share, "outcome": outcome}
    return _filled(params, values)


def _filled(params: Values, values: Values) -> dict[str, object]:
    hole = estimation.Gap(
        missing=values["missing"],
        slot_ms=int(params.get("slot_min", 15) * MS_PER_MIN),
        before=values.get("before"),
        after=values.get("after"),
        ends_usable=not values.get("power_failure_at_end", False),
        register_advance=values.get("register_advance"),
        day=date.fromisoformat(values["date"]) if "date" in values else None,
    )
    limit = {"linear_max_ms": int(params["linear_max_minutes"] * MS_PER_MIN)} if "linear_max_minutes" in params else {}
    fill = estimation.fill_gap(hole, [_like_day(d) for d in values.get("like_days", [])], **limit)
    return {
        "method": fill.method,
        "values": fill.values,
        "unscaled": fill.unscaled,
        "sum": None if fill.method is None else sum(v for v in fill.values if v is not None),
        "used_days": [d.isoformat() for d in fill.used_days],
        "quality": fill.quality.upper(),
    }


def _like_day(values: Values) -> estimation.LikeDay:
    return estimation.LikeDay(
        day=date.fromisoformat(values["date"]),
        values=tuple(values["values"]),
        is_measured=values.get("quality", "ACTUAL") == "ACTUAL",
        is_outage=values.get("outage", False),
        is_partial=values.get("partial", False),
    )


def unit_mixup(params: Values, values: Values) -> dict[str, object]:
    if "rated_kw" in values:
        return {
            "outcome": quality.ratio_check(
                values["power_kw"], values["rated_kw"], **_given(params, max_over_rated="max_over_rated")
            )
        }
    given = _given(params, factors="candidates", log10_tolerance="log10_tolerance")
    found = quality.unit_step_check(values["history_daily"], values["new_daily"], **given)
    return {"outcome": found.outcome, "log10_ratio": found.log10_ratio, "matched": found.matched}


def stuck(params: Values, values: Values) -> dict[str, object]:
    if values.get("signal") == "register":
        given = _given(params, window="window", atol="atol")
        return {"outcome": quality.stuck_register_check(values["values"], values.get("power_kw"), **given)}
    return {"outcome": quality.stuck_check(values["values"], **_given(params, window="window", rtol="rtol", atol="atol"))}


def sum_check(params: Values, values: Values) -> dict[str, object]:
    """The limit is `max_multipliers` (default 2) x `multiplier`, or `max_share` of the advance."""
    advance = values["register_advance"]
    by_share = "max_share" in params
    limit = params["max_share"] * abs(advance) if by_share else params.get("max_multipliers", 2) * params["multiplier"]
    found = quality.sum_check(values["interval_sum"], advance, limit)
    return {"outcome": found.outcome, "difference": found.difference, "limit": found.limit}


def high_low(params: Values, values: Values) -> dict[str, object]:
    limit = _given(params, max_deviation="max_deviation")
    return {"outcome": quality.high_low_check(values["current"], values["reference"], **limit)}


def kvarh(params: Values, values: Values) -> dict[str, object]:
    return {"outcome": quality.kvarh_check(values["kwh"], values["kvarh_pulses"], **_given(params, max_pulses="max_pulses"))}


def max_energy(params: Values, values: Values) -> dict[str, object]:
    limit = _given(params, max_over="max_over")
    return {"outcome": quality.max_energy_check(values["interval_kwh"], values["capacity_kwh"], **limit)}


LIVE_GROUPS = ("rollover", "transient_zero", "meter_swap", "duplicate", "late_data")
"""Groups that go through the core."""
GROUPS: dict[str, tuple[Callable[[Values, Values], dict[str, object]], tuple[str, ...]]] = {
    "rollover": (vee_registers.rollover, ("delta",)),
    "transient_zero": (vee_registers.transient_zero, ("delta_on_recovery", "total")),
    "meter_swap": (vee_registers.meter_swap, ("delta", "deltas_in_new_segment", "slot_energy", "import_kwh", "net_kwh")),
    "duplicate": (vee_registers.duplicate, ("value",)),
    "late_data": (vee_registers.late_data, ("measured",)),
    "clock": (clock, ()),
    "spike": (spike, ()),
    "gap": (gap, ()),
    "unit_mixup": (unit_mixup, ()),
    "stuck": (stuck, ()),
    "sum_check": (sum_check, ()),
    "high_low": (high_low, ()),
    "kvarh": (kvarh, ()),
    "max_energy": (max_energy, ()),
}
"""Group -> its adapter, and those of its results that values named as wrong must differ from (none named: all)."""
