"""Reads entities of sections whose fields are declared."""

from collections.abc import Callable
from typing import Any, Final

from zonepulse.schemas.registry.section import Field, Kind, Section
from zonepulse.schemas.zone_file.positions import Fields, Place, Reader
from zonepulse.schemas.zone_file.values import (
    COUNT,
    DAY,
    DURATION,
    FLOAT,
    IDENTIFIER,
    LOCALISED,
    NUMBER,
    TEXT,
    TRUTH,
    Clock,
    one_of,
    optional,
)

_READERS: Final[dict[Kind, Reader[Any]]] = {
    "id": IDENTIFIER, "text": TEXT, "name": LOCALISED, "count": COUNT, "number": NUMBER, "float": FLOAT, "truth": TRUTH,
    "duration": DURATION, "day": DAY,
}  # fmt: skip


def entity_reader(section: Section, clock: Clock) -> Callable[[Place], Any]:
    """The reader of one entity."""
    readers = [(field, _reader(field, clock)) for field in section.fields]
    keys = [field.key for field in section.fields]

    def read(place: Place) -> Any:
        f = Fields(place, keys, dict(section.hints))
        values = {field.attribute: _value(f, field, reader) for field, reader in readers}
        for field in section.fields:
            if field.kind == "name":
                identity = "/".join(str(values[name]) for name in section.identity)
                values[field.attribute] = values[field.attribute] or {"en": identity}
        return section.type(**values)

    return read


def _reader(field: Field, clock: Clock) -> Reader[Any]:
    reader = clock.moment if field.kind == "moment" else one_of(*field.words) if field.kind == "word" else _READERS[field.kind]
    return optional(reader) if field.default is None and field.kind == "count" else reader


def _value(f: Fields, field: Field, reader: Reader[Any]) -> Any:
    return f.need(field.key, reader) if field.need else f.read(field.key, reader, field.default)
