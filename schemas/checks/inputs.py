"""What must hold of quantities that are given by hand: known, in a period, not negative, and one that counts for each."""

from collections import defaultdict
from collections.abc import Iterable

from zonepulse.schemas.indicators.periods import parse_period
from zonepulse.schemas.indicators.quantities import GIVEN, QUANTITIES
from zonepulse.schemas.problems import Report, nearest
from zonepulse.schemas.registry.inputs import INPUTS, Input
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.sections import entities_of
from zonepulse.schemas.values import BadValue, rounded


def check_inputs(registry: Registry, report: Report) -> None:
    """Report every mistake of the section `inputs`."""
    inputs: tuple[Input, ...] = entities_of(registry, INPUTS)
    for i, one in enumerate(inputs):
        check_input(one, f"inputs[{i}]", report)
    _check_corrections(inputs, report)


def check_input(one: Input, path: str, report: Report) -> None:
    """Report what is wrong with an input by itself."""
    if one.quantity in QUANTITIES and one.quantity not in GIVEN:
        report.add(f"{path}.quantity", f"{one.quantity!r} is measured by the ledger", f"leave it out; given are {', '.join(GIVEN)}")
    elif one.quantity and one.quantity not in GIVEN:
        remedy = nearest(one.quantity, GIVEN, f"known: {', '.join(GIVEN)}")
        report.add(f"{path}.quantity", f"unknown quantity {one.quantity!r}", remedy)
    if one.period:
        try:
            parse_period(one.period)
        except BadValue as error:
            report.add(f"{path}.period", error.what, error.remedy)
    if one.value < 0:
        report.add(f"{path}.value", f"{rounded(one.value)} is negative", "write what there was, 0 or more")
    if one.replaces and not one.reason:
        report.add(path, f"replaces {one.replaces!r} without a reason", "add `reason: why it was wrong`")


def _check_corrections(inputs: tuple[Input, ...], report: Report) -> None:
    """Of every quantity, company and period exactly one input counts: the one that none replaces."""
    by_id = {one.id: one for one in inputs}
    replaced: dict[str, str] = {}
    current: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for i, one in enumerate(inputs):
        path, earlier = f"inputs[{i}].replaces", by_id.get(one.replaces)
        if one.replaces and earlier is None:
            report.add(path, f"unknown input {one.replaces!r}", "name the input that was wrong, and keep it")
        elif earlier is not None and key_of(earlier) != key_of(one):
            report.add(path, f"{one.replaces!r} is of another quantity, company or period", "correct it by one of the same")
        elif one.replaces and replaced.setdefault(one.replaces, one.id) != one.id:
            report.add(path, f"{one.replaces!r} is replaced by {replaced[one.replaces]!r} already", "replace that one")
    for i, one in enumerate(inputs):
        current[key_of(one)] += [i] if one.id not in replaced else []
    for (quantity, company, period), counting in current.items():
        for i in counting[1:]:
            what = f"{quantity} of {company or 'the zone'} in {period} is given by {inputs[counting[0]].id!r} already"
            report.add(f"inputs[{i}]", what, f"add `replaces: {inputs[counting[0]].id}` and a reason, or give it another period")
        if not counting:
            first = next(i for i, one in enumerate(inputs) if key_of(one) == (quantity, company, period))
            report.add(f"inputs[{first}].replaces", "the corrections run in a circle", "let the newest be replaced by none")


def accepted(inputs: Iterable[Input], more: Iterable[Input]) -> tuple[tuple[Input, ...], list[tuple[Input, str]]]:
    """`inputs`, which contradict nothing, then those of `more` that count or are corrected, in order; and the rest, each with why not."""
    known = {one.id: one for one in inputs}
    current = current_of(known.values())
    refused = list[tuple[Input, str]]()
    for one in more:
        before, alone = current.get(key_of(one)), Report("")
        check_input(one, one.id, alone)
        if one.id in known:
            refused.append((one, f"{one.id!r} is another input's id"))
        elif before is not None and before.id != one.replaces:
            refused.append((one, f"{before.id!r} counts for {one.quantity} of {one.company or 'the zone'} in {one.period}"))
        elif before is None and one.replaces:
            refused.append((one, f"what it corrects, {one.replaces!r}, is not there"))
        elif alone.problems:
            refused.append((one, f"{alone.problems[0].what}; {alone.problems[0].remedy}"))
        else:
            known[one.id] = current[key_of(one)] = one
    return tuple(known.values()), refused


def current_of(inputs: Iterable[Input]) -> dict[tuple[str, str, str], Input]:
    """What counts, by what it is about."""
    every = list(inputs)
    replaced = {one.replaces for one in every}
    return {key_of(one): one for one in every if one.id not in replaced}


def key_of(one: Input) -> tuple[str, str, str]:
    """What an input is about: of these one counts."""
    return one.quantity, one.company, one.period
