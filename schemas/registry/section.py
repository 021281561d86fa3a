"""What a section of zone.yaml declares: its entities, and their fields where each is read by itself.

A field is declared once. Its reader (zone_file/declared.py), its JSON Schema (documents/declared.py), the wire form, the comparison of two
versions and its cells in a dimension table follow.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from zonepulse.schemas.tables.ddl import LANGUAGES, Storage, registry_storage
from zonepulse.schemas.tables.results import Column

Kind = Literal["id", "text", "name", "word", "count", "number", "float", "truth", "duration", "moment", "day"]
"""`name`: language -> text, the entity's id where none is given; `word`: one of `words`; `number`: an exact decimal, a Fraction; the last
three are ms, ms and an ISO date."""
_SUFFIXES: Final[Mapping[Kind, str]] = {"duration": "_ms", "moment": "_ms"}
_COLUMNS: Final[Mapping[Kind, tuple[str, bool]]] = {
    "id": ("code", False), "word": ("code", False), "text": ("str", False), "day": ("str", False), "truth": ("i32", False),
    "count": ("i64", True), "duration": ("i64", True), "number": ("f64", True), "float": ("f64", True), "moment": ("time", True),
}  # fmt: skip
"""Kind -> type of its column, and whether it may be null."""


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
    """An id of this section."""
    column: str = ""
    """Of the dimension table, where it is not called as the key."""

    @property
    def attribute(self) -> str:
        """Its name in the entity: with the unit, if it has one."""
        return self.key + _SUFFIXES.get(self.kind, "")

    def columns(self) -> tuple[Column, ...]:
        """Its columns in a dimension table."""
        if self.kind == "name":
            return tuple(Column(f"{self.key}_{language}", "str") for language in LANGUAGES)
        kind, may_be_null = _COLUMNS[self.kind]
        name = self.column or (self.attribute if self.kind == "duration" else self.key)
        return (Column(name, kind, null=may_be_null and not self.need),)

    def cells(self, entity: Any, identity: str) -> dict[str, object]:
        """Its cells in a dimension table."""
        value = getattr(entity, self.attribute)
        if self.kind == "name":
            return {f"{self.key}_{language}": value.get(language, value.get("en", identity)) for language in LANGUAGES}
        (column,) = self.columns()
        plain = {"number": float, "truth": int}.get(self.kind)
        return {column.name: value if value is None or plain is None else plain(value)}


class Booked(NamedTuple):
    """Entities that closed windows are booked with: they are not added, removed or altered at run time."""

    from_ms: Callable[[Any], int]
    """The first instant that an entity counts at."""
    remedy: str
    """How to change it nevertheless; {since}: the end of the latest closed window."""


@dataclass(frozen=True, slots=True)
class Section:
    """A list of zone.yaml. One with `fields` is read by them; of another, zone_file/ has the reader and documents/ the schema."""

    name: str
    """In zone.yaml, and of the registry's attribute; where that has none, its key in `Registry.more`."""
    kind: str
    """One entity's, in keys of `zp.registry`."""
    type: type
    fields: tuple[Field, ...] = ()
    identity: tuple[str, ...] = ("id",)
    """Attributes that name an entity."""
    is_versioned: bool = False
    """Whether several entities may have one identity."""
    hints: Mapping[str, str] = field(default_factory=dict)
    """What to do about keys that people write here by mistake."""
    booked: Booked | None = None
    storage: Storage | None = None
    """Its dimension table, with the columns of its fields."""

    def name_of(self, entity: Any, between: str = "/") -> str:
        """An entity's identity as text."""
        return between.join(str(getattr(entity, name)) for name in self.identity)

    def cells(self, entity: Any) -> dict[str, object]:
        """An entity's row in the dimension table, without zone and version."""
        identity = self.name_of(entity)
        return {column: value for one in self.fields for column, value in one.cells(entity, identity).items()}


def dimension(name: str, fields: tuple[Field, ...], *key: str) -> Storage:
    """The dimension table of a section with these fields; `key` are columns."""
    return registry_storage(f"registry_{name}", tuple(column for one in fields for column in one.columns()), *key)
