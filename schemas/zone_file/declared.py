"""Reads entities of sections whose fields are declared."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

from zonepulse.schemas.registry.section import Field, Kind, Section
from zonepulse.schemas.registry.subscribers import problem_of_target
from zonepulse.schemas.units import MICRO
from zonepulse.schemas.values import clock_minute
from zonepulse.schemas.zone_file.positions import Fields, Place, Reader
from zonepulse.schemas.zone_file.series_section import series_reader
from zonepulse.schemas.zone_file.values import (
    COUNT,
    DAY,
    DURATION,
    FLOAT,
    IDENTIFIER,
    LOCALISED,
    NUMBER,
    TEXT,
    TIMEZONE,
    TRUTH,
    Clock,
    one_of,
    optional,
)


def entity_reader(section: Section, clock: Clock) -> Callable[[Place], Any]:
    """The reader of one entity."""
    if section.type is str:
        return IDENTIFIER.read
    readers = [(field, _reader(field, clock)) for field in section.fields]
    keys = {name: [field.key for field in section.fields if field.inside == name] for name in _mappings(section)}

    def read(place: Place) -> Any:
        before = len(place.report.problems)
        own = Fields(place, [*keys[""], *(name for name in keys if name)], dict(section.hints))
        f = {name: _inside(own, name, keys[name]) for name in keys if name} | {"": own}
        values: dict[str, Any] = {}
        for field, reader in readers:
            values |= field.values(_value(f[field.inside], field, reader))
        for field in section.fields:
            if field.kind == "name":
                identity = "/".join(str(values[name]) for name in section.identity)
                values[field.attribute] = values[field.attribute] or {"en": identity}
            if field.like and own.place_of(field.key) is None:
                values[field.attribute] = values[field.like]
            _check_only(own, field, values)
        if section.some_of and own.is_mapping and all(own.place_of(key) is None for key in section.some_of):
            place.fail(*section.missing)
        entity = section.type(**values)
        wrong = section.check(entity) if len(place.report.problems) == before else None
        if wrong is not None:
            place.fail(*wrong)
        return entity

    return read


def _mappings(section: Section) -> list[str]:
    """Keys of the mappings that hold fields; '' is the entity itself."""
    return list(dict.fromkeys(["", *(field.inside for field in section.fields)]))


def _inside(own: Fields, name: str, keys: list[str]) -> Fields | None:
    place = own.place_of(name)
    return None if place is None else Fields(place, keys)


def _check_only(own: Fields, field: Field, values: dict[str, Any]) -> None:
    attribute, word = field.only_of
    place = own.place_of(field.key) if attribute else None
    if place is not None and values[attribute] != word:
        place.fail(f"belongs to {word}s, not to {values[attribute]}", f"remove it, or write {attribute}: {word}")


def _reader(field: Field, clock: Clock) -> Reader[Any]:
    of_clock: dict[str, Reader[Any]] = {"moment": clock.moment, "start": clock.start, "end": clock.end}
    if field.kind == "series":
        return series_reader(clock)
    if field.kind == "word":
        return one_of(*field.words)
    if field.kind == "words":
        return _list_of(one_of(*field.words), f"[{field.words[0]}]")
    reader = of_clock[field.kind] if field.kind in of_clock else _READERS[field.kind]
    return optional(reader) if field.default is None and not field.need and field.kind in ("count", "float") else reader


def _value(f: Fields | None, field: Field, reader: Reader[Any]) -> Any:
    if f is None:
        return field.default
    return f.need(field.key, reader) if field.need else f.read(field.key, reader, field.default)


def _list_of(reader: Reader[str], example: str) -> Reader[tuple[str, ...]]:
    return Reader(lambda place: tuple(reader.read(item) for item in place.items()), (), example)


def _targets(place: Place) -> tuple[str, ...]:
    found = []
    for item in place.items():
        target = TEXT.read(item)
        if problem := problem_of_target(target):
            what, _, remedy = problem.partition(": ")
            item.fail(what, remedy)
        found.append(target)
    if not found and not place.has_failed:
        place.fail("nobody can be reached", "write where messages go, such as [mailto:name@company.example]")
    return tuple(found)


def _minute(place: Place) -> int:
    minute = clock_minute(place.text)
    if minute is None:
        place.fail(f"{place.shown} is no time of day", 'write one in quotes, such as "22:00"')
        return 0
    return minute


def _minutes(place: Place) -> tuple[int, int]:
    minutes = [_minute(item) for item in place.items()]
    if len(minutes) != 2 or minutes[0] == minutes[1]:
        place.fail("needs two different times", 'write from and to, such as ["22:00", "07:00"]')
        return 0, 0
    return minutes[0], minutes[1]


def _part(place: Place) -> Fraction:
    part = NUMBER.read(place)
    if not 0 < part <= 1:
        place.fail(f"{place.shown} is no part of a whole", "write what there is of one unit: above 0, at most 1, such as 0.9")
    return part


def _stock(place: Place) -> tuple[int, int]:
    """Energy (micro-kWh) and carbon (mg)."""
    f = Fields(place, ("kwh", "g_per_kwh"))
    kwh, g_per_kwh = f.need("kwh", NUMBER), f.need("g_per_kwh", NUMBER)
    if kwh < 0 or g_per_kwh < 0:
        place.fail("is negative", "write amounts of zero or more")
    return round(kwh * MICRO), round(kwh * g_per_kwh * 1000)


def _amounts(place: Place) -> tuple[tuple[str, Fraction], ...]:
    """By carrier."""
    found = tuple((IDENTIFIER.read(key), NUMBER.read(value)) for key, value in place.members())
    if not found and not place.has_failed:
        place.fail("names no carrier", "write amounts by carrier, such as {electricity: 12000}")
    return found


_READERS: Final[dict[Kind, Reader[Any]]] = {
    "id": IDENTIFIER,
    "text": TEXT,
    "name": LOCALISED,
    "count": COUNT,
    "number": NUMBER,
    "part": Reader(_part, Fraction(1), "0.9"),
    "float": FLOAT,
    "truth": TRUTH,
    "duration": DURATION,
    "day": DAY,
    "timezone": TIMEZONE,
    "minute": Reader(_minute, 0, '"08:00"'),
    "minutes": Reader(_minutes, (0, 0), '["22:00", "07:00"]'),
    "stock": Reader(_stock, (0, 0), "{kwh: 0, g_per_kwh: 0}"),
    "amounts": Reader(_amounts, (), "{electricity: 12000}"),
    "ids": _list_of(IDENTIFIER, "[an-id]"),
    "texts": _list_of(TEXT, "[text]"),
    "days": _list_of(DAY, "[2026-10-01]"),
    "targets": Reader(_targets, (), "[mailto:name@company.example]"),
}
