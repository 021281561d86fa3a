"""Indicators, from their definition alone: a formula in reverse Polish order, fractions, and the least and worst of what it is made of.

A quantity is (value, covered, estimated), the last two None where it was given by hand, or None where it is missing.
"""

from fractions import Fraction
from typing import NamedTuple

Quantity = tuple[Fraction, Fraction | None, Fraction | None] | None
PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2}


class Judged(NamedTuple):
    """What an indicator says."""

    value: Fraction
    covered: Fraction | None
    estimated: Fraction | None
    is_provisional: bool
    is_met: bool | None


def reverse_polish(tokens: list[str]) -> list[str]:
    """Dijkstra's shunting yard; all operators are left-associative."""
    out: list[str] = []
    stack: list[str] = []
    for token in tokens:
        if token == "(":
            stack.append(token)
        elif token == ")":
            while stack[-1] != "(":
                out.append(stack.pop())
            stack.pop()
        elif token in PRECEDENCE:
            while stack and stack[-1] != "(" and PRECEDENCE[stack[-1]] >= PRECEDENCE[token]:
                out.append(stack.pop())
            stack.append(token)
        else:
            out.append(token)
    return out + stack[::-1]


def computed(tokens: list[str], numbers: dict[str, Fraction]) -> Fraction | None:
    """The exact value; None where something is divided by zero."""
    stack: list[Fraction] = []
    for token in reverse_polish(tokens):
        if token not in PRECEDENCE:
            stack.append(numbers[token] if token in numbers else Fraction(token))
            continue
        right, left = stack.pop(), stack.pop()
        if token == "/" and not right:
            return None
        stack.append({"+": left + right, "-": left - right, "*": left * right}[token] if token != "/" else left / right)
    return stack[0]


def judged(
    tokens: list[str], quantities: dict[str, Quantity], at_most: Fraction | None, at_least: Fraction | None
) -> Judged | None:
    """None: something is missing, or is divided by zero."""
    used = [quantities[token] for token in tokens if token in quantities]
    known = [one for one in used if one is not None]
    if len(known) < len(used):
        return None
    value = computed(tokens, {name: one[0] for name, one in quantities.items() if one is not None})
    if value is None:
        return None
    covered = sorted(one[1] for one in known if one[1] is not None)
    estimated = sorted(one[2] for one in known if one[2] is not None)
    is_provisional = bool(covered and covered[0] * 100 < 90) or bool(estimated and estimated[-1] * 100 > 10)
    is_met = None
    if at_most is not None:
        is_met = value <= at_most
    elif at_least is not None:
        is_met = value >= at_least
    return Judged(value, covered[0] if covered else None, estimated[-1] if estimated else None, is_provisional, is_met)


def energy_tce(energy: dict[str, tuple[Fraction, Fraction]]) -> Fraction:
    """Carrier -> (quantity in base units, kgce of one): the sum in tce."""
    return sum((quantity * kgce for quantity, kgce in energy.values()), Fraction(0)) / 1000


def base_load_share(hours: list[int]) -> Fraction:
    """Energy of the hour that 2.5 % of the hours do not exceed (nearest rank), in all of them, of the energy of all."""
    ordered = sorted(hours)
    rank = next(n for n in range(1, len(ordered) + 1) if n * 40 >= len(ordered))
    return Fraction(ordered[rank - 1] * len(ordered), sum(ordered))


def carbon_free_share(hours: list[tuple[int, int, int]]) -> Fraction:
    """Hours of (used, own generation that stayed, contracts without carbon): what met in an hour, of all that was used."""
    met = 0
    for used, own, contracts in hours:
        supplied = contracts + (own if own > 0 else 0)
        met += supplied if supplied < used else used if used > 0 else 0
    return Fraction(met, sum(used for used, _, _ in hours))
