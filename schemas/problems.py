"""What is wrong with a registry file: every mistake at once, each with its place and its remedy."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from zonepulse.schemas.values import shortened

MOST_PROBLEMS: Final = 1_000
_LONGEST_WORD: Final = 100
"""Nobody means a known word by a longer one, and likeness takes quadratic time."""
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][\w-]*")
_LAST_STEP: Final = re.compile(r'(?:\."[^"]*"|\.?[^.\[\]"]+|\[\d+\])$')


def step(path: str, key: str) -> str:
    """The path of a member of `path`; a key that is no plain word stands in quotes, a long one is cut."""
    name = shortened(key) if _PLAIN_KEY.fullmatch(key) else f'"{shortened(key)}"'
    return f"{path}.{name}" if path else name


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `line` counts from 1; 0 where the mistake has no place in a file. `path` is like `meters[2].site`."""

    file: str
    line: int
    path: str
    what: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.path + ': ' if self.path else ''}{self.what}; {self.remedy}"


class RegistryError(ValueError):
    """A registry was refused; `problems` holds every reason, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems, key=lambda p: p.line)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(slots=True)
class Report:
    """Collects problems; knows on which line of `file` each path stands."""

    file: str = "zone.yaml"
    problems: list[Problem] = field(default_factory=list)
    known_ids: frozenset[str] = frozenset()
    """Identifiers that exist already: they stay valid, whatever characters they have."""
    lines: dict[str, int] = field(default_factory=dict)

    def add(self, path: str, what: str, remedy: str) -> None:
        """Note a mistake at `path`; its line is that of the path or of the nearest thing around it that was written.

        Raises RegistryError at the last of MOST_PROBLEMS: nobody reads more, and a file of nothing else would take for ever.
        """
        self.problems.append(Problem(self.file, self.line(path), path, what, remedy))
        if len(self.problems) == MOST_PROBLEMS:
            self.problems.append(Problem(self.file, 0, "", f"only the first {MOST_PROBLEMS} mistakes are told", "mend them first"))
            raise RegistryError(self.problems)

    def line(self, path: str) -> int:
        """Line of `path` in the file, 0 if nothing around it was read from one."""
        while path and path not in self.lines:
            path = _LAST_STEP.sub("", path)
        return self.lines.get(path, 0)

    def raise_if_any(self) -> None:
        """Raises RegistryError if a mistake was noted."""
        if self.problems:
            raise RegistryError(self.problems)


def nearest(word: str, known: Iterable[str], instead: str) -> str:
    """A remedy: the known word most like `word`, otherwise `instead`."""
    if len(word) > _LONGEST_WORD:
        return instead
    by_lower = {k.lower(): k for k in known}
    close = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f"did you mean `{by_lower[close[0]]}`?" if close else instead
