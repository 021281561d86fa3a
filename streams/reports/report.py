"""What a report is made of, for one reader: tables of exact values, a picture, and text. Pages round, sheets keep every digit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from markupsafe import Markup

Kind = Literal["text", "number", "factor", "share", "moment"]


class Column(NamedTuple):
    """`key`: of its head's text; `decimals`: of a number on a page, of a factor at most."""

    key: str
    kind: Kind = "text"
    decimals: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` have a cell a column: text, an exact number, a share of 1, epoch ms; None where it is not known."""

    id: str
    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Any]]
    title: str = ""
    """Where it is not the text of its id."""
    note: str = ""


class Picture(NamedTuple):
    """A chart below the first table; `legend` are (class of the style sheet, text)."""

    title: str
    drawn: Markup
    legend: tuple[tuple[str, str], ...]
    note: str


@dataclass(frozen=True, slots=True)
class Report:
    """A report in its reader's language."""

    title: str
    name: str
    """Whom it is about."""
    period: str
    zone: str
    state: str
    """What is to be known before the numbers are read."""
    tables: Sequence[Table]
    method: Sequence[str]
    picture: Picture | None = None
