"""Formulas of indicators: decimals, names of quantities, + - * / and parentheses. Read by recursive descent; nothing is executed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from zonepulse.schemas.values import BadValue, parse_decimal, shortened

MAX_CHARACTERS: Final = 200
"""Bounds the depth of a formula as well."""
_TOKEN: Final = re.compile(r"\s*(?:([a-z][a-z0-9_]*)|(\d+(?:\.\d+)?)|([-+*/()]))", re.ASCII)
_REMEDY: Final = "write decimals, names of quantities, + - * / and parentheses, such as solid_waste_used_t / solid_waste_t * 100"

Operator = Literal["+", "-", "*", "/"]


@dataclass(frozen=True, slots=True)
class Number:
    """A decimal that was written."""

    value: Fraction


@dataclass(frozen=True, slots=True)
class Name:
    """A quantity (quantities.py)."""

    quantity: str


@dataclass(frozen=True, slots=True)
class Operation:
    """Two formulas and what joins them."""

    operator: Operator
    left: "Formula"
    right: "Formula"


Formula = Number | Name | Operation


def parse_formula(text: str) -> Formula:
    """The formula that a text writes; * and / bind before + and -, all from the left. Raises BadValue."""
    if len(text) > MAX_CHARACTERS:
        raise BadValue(f"the formula has {len(text)} characters", f"at most {MAX_CHARACTERS} are allowed")
    parser = _Parser(text)
    formula = parser.sum()
    if parser.token:
        raise parser.bad()
    return formula


def names_in(formula: Formula) -> Iterator[str]:
    """The quantities of a formula, from left to right; one that stands twice comes twice."""
    if isinstance(formula, Name):
        yield formula.quantity
    elif isinstance(formula, Operation):
        yield from names_in(formula.left)
        yield from names_in(formula.right)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._at, self.token = text, 0, ""
        self._next()

    def bad(self) -> BadValue:
        found = f"{self.token!r} is not expected" if self.token else "ends too early"
        return BadValue(f"formula {shortened(self._text)!r}: {found}", _REMEDY)

    def sum(self) -> Formula:
        left = self._product()
        while self.token in ("+", "-"):
            operator: Operator = "+" if self._take() == "+" else "-"
            left = Operation(operator, left, self._product())
        return left

    def _product(self) -> Formula:
        left = self._part()
        while self.token in ("*", "/"):
            operator: Operator = "*" if self._take() == "*" else "/"
            left = Operation(operator, left, self._part())
        return left

    def _part(self) -> Formula:
        if self.token == "(":
            self._take()
            inner = self.sum()
            if self.token != ")":
                raise self.bad()
            self._take()
            return inner
        if self.token[:1].isdigit():
            return Number(parse_decimal(self._take()))
        if not self.token or self.token in "+-*/)":
            raise self.bad()
        return Name(self._take())

    def _take(self) -> str:
        token = self.token
        self._next()
        return token

    def _next(self) -> None:
        found = _TOKEN.match(self._text, self._at)
        if found:
            self.token, self._at = found[0].strip(), found.end()
            return
        self.token = self._text[self._at :].strip()[:1]
        if self.token:
            raise self.bad()
