"""YAML with positions: every value knows its line and its path, and keeps the exact text that was written.

The document is composed, not constructed: no number becomes a float and no date an object before its reader sees the text,
and a key such as `on` stays `on`.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, Generic, NoReturn, TypeVar

import yaml

from zonepulse.schemas.problems import RegistryError, Report, nearest, step
from zonepulse.schemas.values import shortened
from zonepulse.schemas.zone_file.bounds import LOADER, TooLarge, check_bounds

T = TypeVar("T")
_TAG: Final = "tag:yaml.org,2002:"
_NAMES: Final = {
    "map": "a mapping",
    "seq": "a list",
    "str": "text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A value of the document. `path` is like `meters[2].registers."1.8.0".unit`."""

    node: yaml.Node
    path: str
    report: Report

    @property
    def kind(self) -> str:
        """YAML's name of the value's type: map, seq, str, int, float, bool, null, timestamp."""
        return self.node.tag.removeprefix(_TAG)

    @property
    def is_null(self) -> bool:
        """Whether nothing, `~` or `null` is written."""
        return self.kind == "null"

    @property
    def text(self) -> str:
        """A scalar's text as written, without quotes; '' for a mapping or list."""
        return self.node.value if isinstance(self.node, yaml.ScalarNode) else ""

    @property
    def shown(self) -> str:
        """The value for an error message."""
        return repr(shortened(self.text)) if isinstance(self.node, yaml.ScalarNode) else _NAMES.get(self.kind, self.kind)

    @property
    def is_quoted(self) -> bool:
        """Whether a scalar stands in quotes or in a block."""
        return isinstance(self.node, yaml.ScalarNode) and bool(self.node.style)

    def fail(self, what: str, remedy: str) -> None:
        """Report a mistake here."""
        self.report.add(self.path, what, remedy)

    @property
    def has_failed(self) -> bool:
        """Whether a mistake was reported here or inside."""
        return any(p.path.startswith(self.path) for p in self.report.problems)

    def members(self, inside: tuple[int, ...] = ()) -> list[tuple["Place", "Place"]]:
        """(key, value) of a mapping, merge keys (`<<`) expanded; reports duplicates and what is no mapping."""
        if not isinstance(self.node, yaml.MappingNode):
            self.fail(f"{self.shown} is no mapping", "write `key: value` lines here")
            return []
        seen: dict[str, Place] = {}
        out = []
        for key_node, node in _own_pairs(self.node):
            key = Place(key_node, self.path, self.report)
            if key.text in seen:
                self.report.lines[path := step(self.path, key.text)] = key_node.start_mark.line + 1
                self.report.add(path, f"the key stands twice, first on line {seen[key.text].line}", "keep one of the two")
                continue
            seen[key.text] = key
            out.append((key, self._child(step(self.path, key.text), node, key_node.start_mark.line + 1)))
        return out + [(k, v) for k, v in self._merged((*inside, id(self.node))) if k.text not in seen]

    def items(self) -> list["Place"]:
        """The items of a list; an empty value is an empty list; reports what is no list."""
        if self.is_null:
            return []
        if not isinstance(self.node, yaml.SequenceNode):
            self.fail(f"{self.shown} is no list", "write one `- ` item a line, or [a, b]")
            return []
        return [self._child(f"{self.path}[{i}]", n, n.start_mark.line + 1) for i, n in enumerate(self.node.value)]

    @property
    def line(self) -> int:
        """Line of the value, from 1."""
        return self.node.start_mark.line + 1

    def _child(self, path: str, node: yaml.Node, line: int) -> "Place":
        self.report.lines[path] = line
        return Place(node, path, self.report)

    def _merged(self, inside: tuple[int, ...]) -> list[tuple["Place", "Place"]]:
        sources = [v for k, v in self.node.value if k.tag == f"{_TAG}merge"]
        flat = [n for v in sources for n in (v.value if isinstance(v, yaml.SequenceNode) else [v])]
        pairs: dict[str, tuple[Place, Place]] = {}
        for node in flat:
            if id(node) in inside:
                self.fail("a merge key that merges its own mapping", "write the values out")
                continue
            for key, value in Place(node, self.path, self.report).members(inside):
                pairs.setdefault(key.text, (key, value))
        return list(pairs.values())


@dataclass(frozen=True, slots=True)
class Reader(Generic[T]):
    """How a value is read. `placeholder` stands for one that could not be; `example` is what a correct one looks like."""

    read: Callable[[Place], T]
    placeholder: T
    example: str


class Fields:
    """A mapping whose keys are known. Reports unknown keys, with the nearest known one, and required ones that are missing."""

    def __init__(self, place: Place, known: Collection[str], hints: dict[str, str] | None = None) -> None:
        self.place = place
        self.is_mapping = isinstance(place.node, yaml.MappingNode)
        self._values: dict[str, Place] = {}
        for key, value in place.members():
            if key.text in known:
                self._values[key.text] = value
            else:
                remedy = (hints or {}).get(key.text) or nearest(key.text, known, f"known keys: {', '.join(known)}")
                value.fail("unknown key", remedy)

    def __contains__(self, name: str) -> bool:
        """Whether the key is written, be it as null."""
        return name in self._values

    def place_of(self, name: str) -> Place | None:
        """The value's place; None where the key is absent or null."""
        place = self._values.get(name)
        return None if place is None or place.is_null else place

    def read(self, name: str, reader: Reader[T], default: T) -> T:
        """An optional value."""
        place = self.place_of(name)
        return default if place is None else reader.read(place)

    def need(self, name: str, reader: Reader[T]) -> T:
        """A required value; the placeholder after reporting that it is missing."""
        place = self.place_of(name)
        if place is not None:
            return reader.read(place)
        if self.is_mapping:
            self.place.fail(f"`{name}` is missing", f"add `{name}: {reader.example}`")
        return reader.placeholder

    def items(self, name: str) -> list[Place]:
        """The items of an optional list."""
        place = self.place_of(name)
        return [] if place is None else place.items()


def compose(text: str, report: Report) -> Place:
    """The document's root. Raises RegistryError: the text is no YAML, or empty."""
    report.lines[""] = 1
    try:
        check_bounds(text)
        root = yaml.compose(text, Loader=LOADER)
    except TooLarge as error:
        report.lines[""] = error.line
        _refuse(error.what, "write the values out, one entity a list item", report)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        report.lines[""] = mark.line + 1 if mark else 1
        _refuse(
            f"no valid YAML: {error.problem or error.context}", "mend this line; indent with blanks, quote text with : or #", report
        )
    except (yaml.YAMLError, UnicodeError) as error:
        _refuse(f"no valid YAML: {' '.join(str(error).split())}", "save the file as plain UTF-8 text", report)
    if root is None:
        _refuse("the file is empty", "begin with `zone:`", report)
    return Place(root, "", report)


def _refuse(what: str, remedy: str, report: Report) -> NoReturn:
    report.add("", what, remedy)
    raise RegistryError(report.problems) from None


def plain(place: Place, inside: tuple[int, ...] = ()) -> object:
    """A part that is kept as it is: mappings, lists, text, int, float, bool, None; dates and other scalars stay text."""
    if id(place.node) in inside:
        place.fail("an alias that contains itself", "write the value out")
        return None
    inside = (*inside, id(place.node))
    if isinstance(place.node, yaml.MappingNode):
        return {k.text: plain(v, inside) for k, v in place.members()}
    if isinstance(place.node, yaml.SequenceNode):
        return [plain(p, inside) for p in place.items()]
    return _plain_scalar(place)


def _plain_scalar(place: Place) -> object:
    if place.kind == "null":
        return None
    if place.kind == "bool":
        return place.text.lower() in ("true", "yes", "on")
    if place.kind in ("int", "float"):
        try:
            return int(place.text)
        except ValueError:
            pass
        try:
            number = float(place.text)
            return number if abs(number) < float("inf") else place.text
        except ValueError:
            return place.text
    return place.text


def _own_pairs(node: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
    return [(k, v) for k, v in node.value if k.tag != f"{_TAG}merge"]
