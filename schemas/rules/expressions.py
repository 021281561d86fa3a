"""Expressions of alert rules: text to a tree of the nodes below, by recursive descent, without eval.

    either      = both { "or" both }
    both        = denied { "and" denied }
    denied      = "not" denied | comparison
    comparison  = sum [ ("<" | "<=" | ">" | ">=" | "==" | "!=") sum ]
    sum         = product { ("+" | "-") product }
    product     = signed { ("*" | "/") signed }
    signed      = "-" signed | number | indicator | "(" either ")"

Such as `power_kw > 100 and not (g_per_kwh < 300 or completeness < 0.9)`. The whole is true or false; a number is neither.

Arithmetic is that of float64, operation by operation as written; an indicator is one division of integers. What divides by zero, or leaves
float64, is unknown, as is a null indicator; a comparison with the unknown is unknown. `false and unknown` is false, `true or unknown` is
true, all else with it is unknown.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from zonepulse.schemas.values import BadValue

MOST_CHARACTERS: Final = 500
MOST_NODES: Final = 64
MOST_DEPTH: Final = 12
_TOKEN: Final = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|([A-Za-z_]\w*)|(<=|>=|==|!=|[-+*/()<>]))", re.ASCII)
COMPARISONS: Final = ("<", "<=", ">", ">=", "==", "!=")
_REMEDY: Final = "write indicators and numbers with + - * /, a comparison, and, or, not and parentheses, such as power_kw > 100"
_WORDS: Final = ("and", "or", "not")

Operation = Literal["+", "-", "*", "/", "<", "<=", ">", ">=", "==", "!=", "and", "or"]


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written."""

    value: float


@dataclass(frozen=True, slots=True)
class Indicator:
    """The value of an indicator in the window that is judged."""

    name: str


@dataclass(frozen=True, slots=True)
class Negative:
    """Minus a number."""

    of: "Node"


@dataclass(frozen=True, slots=True)
class Not:
    """True where it is false."""

    of: "Node"


@dataclass(frozen=True, slots=True)
class Two:
    """An operation on two."""

    operation: Operation
    left: "Node"
    right: "Node"


Node = Number | Indicator | Negative | Not | Two


def parse_expression(text: str) -> Node:
    """The tree of an expression that is true or false. Raises BadValue."""
    if len(text) > MOST_CHARACTERS:
        raise BadValue(f"the expression has {len(text)} characters", f"at most {MOST_CHARACTERS} are allowed; two rules say more")
    parser = _Parser(_tokens(text))
    tree = parser.whole()
    if not is_truth(tree):
        raise BadValue("the expression is a number, neither true nor false", "compare it, such as power_kw > 100")
    return tree


def indicators_of(tree: Node) -> tuple[str, ...]:
    """The indicators that it names, each once, as they come."""
    if isinstance(tree, Indicator):
        return (tree.name,)
    parts: tuple[Node, ...] = ()
    if isinstance(tree, Negative | Not):
        parts = (tree.of,)
    elif isinstance(tree, Two):
        parts = (tree.left, tree.right)
    return tuple(dict.fromkeys(name for part in parts for name in indicators_of(part)))


def is_truth(tree: Node) -> bool:
    """Whether it is true or false, not a number."""
    return isinstance(tree, Not) or (isinstance(tree, Two) and tree.operation in (*COMPARISONS, "and", "or"))


def _tokens(text: str) -> list[str]:
    found, at = list[str](), 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadValue(f"the expression has {text[at:].lstrip()[:1]!r}", _REMEDY)
        found.append(match[0].strip())
        at = match.end()
    return found


class _Parser:
    """Takes tokens from the left; each method takes what its line of the grammar says."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens, self._at, self._nodes, self._depth = tokens, 0, 0, 0

    def whole(self) -> Node:
        """All tokens. Raises BadValue."""
        tree = self._either()
        if self._at < len(self._tokens):
            raise BadValue(f"the expression goes on with {self._next!r} where it should end", _REMEDY)
        return tree

    @property
    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, *wanted: str) -> str:
        """The next token if it is one of these, else ''."""
        found = self._next
        if found and found in wanted:
            self._at += 1
            return found
        return ""

    def _counted(self, node: Node) -> Node:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise BadValue(f"the expression has more than {MOST_NODES} parts", "two rules say more")
        return node

    def _two(self, operation: str, left: Node, right: Node, *, truths: bool) -> Node:
        for side in (left, right):
            if is_truth(side) != truths:
                wanted = "what is true or false" if truths else "numbers"
                raise BadValue(f"`{operation}` stands between {wanted}", _REMEDY)
        return self._counted(Two(operation, left, right))  # type: ignore[arg-type]  # one of the grammar's tokens

    def _either(self) -> Node:
        tree = self._both()
        while self._take("or"):
            tree = self._two("or", tree, self._both(), truths=True)
        return tree

    def _both(self) -> Node:
        tree = self._denied()
        while self._take("and"):
            tree = self._two("and", tree, self._denied(), truths=True)
        return tree

    def _denied(self) -> Node:
        if not self._take("not"):
            return self._comparison()
        denied = self._deeper(self._denied)
        if not is_truth(denied):
            raise BadValue("`not` stands before what is true or false", _REMEDY)
        return self._counted(Not(denied))

    def _comparison(self) -> Node:
        tree = self._sum()
        if operation := self._take(*COMPARISONS):
            tree = self._two(operation, tree, self._sum(), truths=False)
        return tree

    def _sum(self) -> Node:
        tree = self._product()
        while operation := self._take("+", "-"):
            tree = self._two(operation, tree, self._product(), truths=False)
        return tree

    def _product(self) -> Node:
        tree = self._signed()
        while operation := self._take("*", "/"):
            tree = self._two(operation, tree, self._signed(), truths=False)
        return tree

    def _signed(self) -> Node:
        if self._take("-"):
            of = self._deeper(self._signed)
            if is_truth(of):
                raise BadValue("`-` stands before a number", _REMEDY)
            return self._counted(Negative(of))
        if self._take("("):
            tree = self._deeper(self._either)
            if not self._take(")"):
                raise BadValue("a parenthesis is not closed", _REMEDY)
            return tree
        token = self._next
        if not token or not (token[0].isalnum() or token[0] == "_") or token in _WORDS:
            raise BadValue(
                f"the expression has {token!r} where a value should be" if token else "the expression ends too early", _REMEDY
            )
        self._at += 1
        return self._counted(Number(float(token)) if token[0].isdigit() else Indicator(token))

    def _deeper(self, read: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise BadValue(f"the expression is nested more than {MOST_DEPTH} deep", "two rules say more")
        tree = read()
        self._depth -= 1
        return tree
