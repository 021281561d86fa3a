"""Words of an SQL statement as ClickHouse splits it. Time grows with the length of the text, whatever it holds."""

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

Kind = Literal["space", "string", "quoted", "word", "other"]

_TOKEN: Final = re.compile(
    r"(?P<space>\s++|--[^\n]*+|\#[ !][^\n]*+|/\*.*?(?:\*/|\Z))"
    r"|(?P<string>'[^'\\]*+(?:\\(?:.|\Z)[^'\\]*+)*+(?:'|\Z)|\$(?P<tag>\w*+)\$.*?(?:\$(?P=tag)\$|\Z))"
    r"|(?P<quoted>`[^`\\]*+(?:\\(?:.|\Z)[^`\\]*+)*+(?:`|\Z)|\"[^\"\\]*+(?:\\(?:.|\Z)[^\"\\]*+)*+(?:\"|\Z))"
    r"|(?P<word>\w++)"
    r"|(?P<other>.)",
    re.DOTALL,
)
"""Possessive repeats, and what has no end runs to the end of the text: no character is looked at twice by one branch."""
_FORMAT_END: Final = "settings"


class Token(NamedTuple):
    """A piece of the text from `start` to `end`."""

    kind: Kind
    text: str
    start: int
    end: int

    @property
    def folded(self) -> str:
        """A bare word without regard to case, "" for anything else."""
        return self.text.casefold() if self.kind == "word" else ""

    @property
    def name(self) -> str:
        """The identifier that a word or quoted word writes, "" for anything else."""
        if self.kind == "word":
            return self.text
        return re.sub(r"\\(.)", r"\1", self.text[1:-1], flags=re.DOTALL) if self.kind == "quoted" else ""


def tokens(text: str, start: int = 0) -> Iterator[Token]:
    """All but blanks and comments."""
    for found in _TOKEN.finditer(text, start):
        kind: Kind = found.lastgroup  # type: ignore[assignment]
        if kind != "space":
            yield Token("string" if found["string"] else kind, found[0], found.start(), found.end())


def format_named(found: list[Token]) -> str | None:
    """The name behind the FORMAT at the end of a statement, None without one."""
    end = len(found)
    while end and found[end - 1].text == ";":
        end -= 1
    for at in range(end - 2, 0, -1):
        if found[at].folded == "format" and found[at + 1].kind == "word":
            is_last = at + 2 == end or found[at + 2].folded == _FORMAT_END
            return found[at + 1].text if is_last else None
    return None
