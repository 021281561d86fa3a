"""What a section of zone.yaml declares: its entities, and their fields where each is read by itself.

A field is declared once. Its reader (zone_file/declared.py), its JSON Schema (documents/declared.py), the wire form, the comparison of two
versions and its cells in a dimension table follow.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from zonepulse.schemas.languages import LANGUAGES
from zonepulse.schemas.registry.model import FOREVER
from zonepulse.schemas.tables.ddl import Storage, registry_storage
from zonepulse.schemas.tables.results import Column

Kind = Literal[
    "id", "text", "name", "word", "count", "number", "part", "float", "truth", "duration", "moment", "day", "start", "end",
    "timezone", "minute", "minutes", "stock", "amounts", "series", "ids", "texts", "words", "days", "targets",
]  # fmt: skip
"""`name`: language -> text, the entity's id where none is given; `word`: one of `words`; `number`: an exact decimal, a Fraction, as is
`part`, which is above 0 and at most 1; `duration`, `moment`: ms; `day`: an ISO date; `start`, `end`: of a validity, ms; `minute`: of the
local day; `minutes`: two of them; `stock`: energy and carbon that something holds, micro-kWh and mg; `amounts`: of carriers, pairs
of id and Fraction; `series`: a Series; the last five are lists."""
_SUFFIXES: Final[Mapping[Kind, str]] = {"duration": "_ms", "moment": "_ms", "start": "_ms", "end": "_ms", "minute": "_min"}
_COLUMNS: Final[Mapping[Kind, tuple[str, bool]]] = {
    "id": ("code", False), "word": ("code", False), "text": ("str", False), "day": ("str", False), "truth": ("i32", False),
    "start": ("time", False), "end": ("time", True), "part": ("f64", False), "stock": ("i64", False),
    "count": ("i64", True), "duration": ("i64", True), "number": ("f64", True), "float": ("f64", True), "moment": ("time", True),
}  # fmt: skip
"""Kind -> type of its column, and whether it may be null."""
_PLAIN: Final[Mapping[Kind, Callable[[Any], object]]] = {
    "number": float, "part": float, "truth": int, "start": lambda ms: max(0, ms), "end": lambda ms: None if ms == FOREVER else ms,
}  # fmt: skip
"""Kind -> its cell; of the others the value itself. A validity: 1970 = always, null = for ever."""


@dataclass(frozen=True, slots=True)
class Field:
    """A key of an entity. `need`: it must be written; else `default` is the attribute's value where it is not."""

    key: str
    kind: Kind
    about: str = ""
    need: bool = False
    default: Any = None
    words: tuple[str, ...] = ()
    of: str = ""
    """An id of this section, or several."""
    column: str = ""
    """Of the dimension table, where it is not called as the key."""
    inside: str = ""
    """Key of the mapping that holds it; '' = the entity's own."""
    called: tuple[str, ...] = ()
    """The entity's attributes, where they are not called as the key with its unit; the value of several is a tuple."""
    like: str = ""
    """The attribute whose value it has where it is not written."""
    only_of: tuple[str, str] = ("", "")
    """It may be written only where this attribute, a word, has this value."""
    least: int = 0
    """Of a count."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """Its names in the entity."""
        return self.called or (self.key + _SUFFIXES.get(self.kind, ""),)

    @property
    def attribute(self) -> str:
        """Its name in the entity: with the unit, if it has one."""
        return self.attributes[0]

    @property
    def path(self) -> str:
        """Where it is written."""
        return f"{self.inside}.{self.key}" if self.inside else self.key

    def values(self, value: Any) -> dict[str, Any]:
        """What was read, by attribute."""
        return dict(zip(self.attributes, value if len(self.attributes) > 1 else (value,), strict=True))

    def columns(self) -> tuple[Column, ...]:
        """Its columns in a dimension table."""
        if self.kind == "name":
            return tuple(Column(f"{self.key}_{language}", "str") for language in LANGUAGES)
        kind, may_be_null = _COLUMNS[self.kind]
        names = self.attributes if len(self.attributes) > 1 else (self.column or self._column(),)
        return tuple(Column(name, kind, null=may_be_null and not self.need) for name in names)

    def _column(self) -> str:
        return self.attribute if self.kind == "duration" else self.key

    def cells(self, entity: Any, identity: str) -> dict[str, object]:
        """Its cells in a dimension table."""
        found = [getattr(entity, name) for name in self.attributes]
        if self.kind == "name":
            return {f"{self.key}_{language}": found[0].get(language, found[0].get("en", identity)) for language in LANGUAGES}
        plain = _PLAIN.get(self.kind)
        cells = (value if value is None or plain is None else plain(value) for value in found)
        return {column.name: cell for column, cell in zip(self.columns(), cells, strict=True)}


class Booked(NamedTuple):
    """Entities that closed windows are booked with: they are not added, removed or altered at run time."""

    from_ms: Callable[[Any], int]
    """The first instant that an entity counts at."""
    remedy: str
    """How to change it nevertheless; {since}: the end of the latest closed window."""


@dataclass(frozen=True, slots=True)
class Section:
    """A list of zone.yaml, or a mapping of lists. One with `fields` is read by them; of another, zone_file/ has the reader and documents/
    the schema."""

    name: str
    """In zone.yaml, `network.edges` in a mapping; and of the registry's attribute; where that has none, its key in `Registry.more`."""
    kind: str
    """One entity's, in keys of `zp.registry`."""
    type: type
    """`str`: its entities are ids."""
    fields: tuple[Field, ...] = ()
    identity: tuple[str, ...] = ("id",)
    """Attributes that name an entity."""
    is_versioned: bool = False
    """Whether several entities may have one identity."""
    hints: Mapping[str, str] = field(default_factory=dict)
    """What to do about keys that people write here by mistake."""
    booked: Booked | None = None
    storage: Storage | None = None
    """Its dimension table, with the columns of its fields, and perhaps `position`, an entity's place in the list."""
    about: Mapping[str, str] = field(default_factory=dict)
    """Of the mappings that hold fields, and '' of the whole."""
    some_of: tuple[str, ...] = ()
    """At least one of these keys is written."""
    missing: tuple[str, str] = ("", "")
    """What is wrong without them, and the remedy."""
    check: Callable[[Any], tuple[str, str] | None] = lambda entity: None
    """What is wrong with an entity whose fields are all readable, and the remedy."""
    parts: tuple["Section", ...] = ()
    """Of a mapping: its lists. It is one entity, under the zone's id, and none where it is as it is made."""
    is_plain: bool = False
    """Kept and published as plain JSON in `Registry.extra`: a program that does not know the section carries it along."""

    @property
    def key(self) -> str:
        """Where it is written, in what holds it."""
        return self.name.rpartition(".")[2]

    def name_of(self, entity: Any, between: str = "/") -> str:
        """An entity's identity as text."""
        return entity if isinstance(entity, str) else between.join(str(getattr(entity, name)) for name in self.identity)

    def cells(self, entity: Any, position: int) -> dict[str, object]:
        """An entity's row in the dimension table, without zone and version."""
        identity = self.name_of(entity)
        if self.type is str:
            found: dict[str, object] = {self.kind: entity}
        else:
            found = {column: value for one in self.fields for column, value in one.cells(entity, identity).items()}
        has_place = self.storage is not None and any(column.name == "position" for column in self.storage.columns)
        return found | ({"position": position} if has_place else {})


def dimension(name: str, fields: tuple[Field, ...], *key: str) -> Storage:
    """The dimension table of a section with these fields; `key` are columns."""
    return registry_storage(f"registry_{name}", tuple(column for one in fields for column in one.columns()), *key)
