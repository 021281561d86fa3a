"""Expressions of alert rules as functions of a window's indicators; schemas/rules/expressions.py says what they mean."""

import operator
from collections.abc import Callable
from math import isfinite
from typing import Any, Final

from zonepulse.schemas.rules.expressions import Indicator, Negative, Node, Not, Number, is_truth, parse_expression

Look = Callable[[str], float | None]
"""Name of an indicator -> its value in the window that is judged; None: not known."""
Truth = Callable[[Look], bool | None]
_Value = Callable[[Look], float | None]
_OPERATIONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


def compile_expression(text: str) -> Truth:
    """The expression as a function; None where it is not known. Raises BadValue."""
    return _truth(parse_expression(text))


def _truth(tree: Node) -> Truth:
    if isinstance(tree, Not):
        of = _truth(tree.of)

        def denied(look: Look) -> bool | None:
            found = of(look)
            return None if found is None else not found

        return denied
    assert not isinstance(tree, Number | Indicator | Negative), "the parser compares numbers"
    if not is_truth(tree.left):
        return _compared(_OPERATIONS[tree.operation], _value(tree.left), _value(tree.right))
    left, right, decides = _truth(tree.left), _truth(tree.right), tree.operation == "or"

    def joined(look: Look) -> bool | None:
        one, other = left(look), right(look)
        if one is decides or other is decides:
            return decides
        return None if one is None or other is None else not decides

    return joined


def _compared(operation: Callable[[Any, Any], Any], left: _Value, right: _Value) -> Truth:
    def compared(look: Look) -> bool | None:
        one, other = left(look), right(look)
        return None if one is None or other is None else bool(operation(one, other))

    return compared


def _value(tree: Node) -> _Value:
    if isinstance(tree, Number):
        number = tree.value
        return lambda look: number
    if isinstance(tree, Indicator):
        name = tree.name
        return lambda look: look(name)
    if isinstance(tree, Negative):
        of = _value(tree.of)

        def negative(look: Look) -> float | None:
            found = of(look)
            return None if found is None else -found

        return negative
    assert not isinstance(tree, Not), "the parser denies what is true or false"
    operation, left, right = _OPERATIONS[tree.operation], _value(tree.left), _value(tree.right)

    def calculated(look: Look) -> float | None:
        one, other = left(look), right(look)
        if one is None or other is None or (other == 0 and operation is operator.truediv):
            return None
        found = operation(one, other)
        return found if isfinite(found) else None

    return calculated
