"""Registry versions on `zp.registry` -> rows of the dimension tables. Pure: no clients, no clock."""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import count

import pyarrow as pa

from zonepulse.schemas.languages import LANGUAGES
from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.schemas.registry.lookup import RegistryIndex
from zonepulse.schemas.registry.model import Registry, Text
from zonepulse.schemas.registry.sections import LISTS, entities_of
from zonepulse.schemas.registry.wire import ZONE, check_entity, checked_key, from_entities, split_key
from zonepulse.schemas.tables.ddl import REGISTRY_METERS, Storage
from zonepulse.streams.clickhouse.registry_dimensions import dimensions, validity
from zonepulse.streams.clickhouse.stored_rows import Poison, plain_type, reason_of
from zonepulse.streams.clickhouse.write_queue import Piece

Rows = tuple[str, pa.Table]
"""Table and its stored columns."""


class RegistryRows:
    """Collects the topic's records, from its beginning on, and turns each version of `zone` into rows once it is whole."""

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self._versions: dict[int, dict[str, bytes]] = {}
        self._sizes: dict[int, int] = {}
        """Records that a version says it has."""

    def add(self, records: RecordSpans) -> Iterator[tuple[str, Piece] | Poison]:
        """The rows of the versions that these records complete, and the records that are none of a registry.

        A version that is whole and cannot be rows is poison at its last record.
        """
        for i in range(len(records)):
            try:
                made = self._rows(records, i)
            except Exception as error:  # foreign text raises of any kind
                yield Poison(i, reason_of(error))
            else:
                yield from ((table, Piece(rows, records, [i], [rows.num_rows])) for table, rows in made if rows.num_rows)

    def _rows(self, records: RecordSpans, i: int) -> list[Rows]:
        number = self._keep(records, i)
        if len(self._versions[number]) != self._sizes.get(number):
            return []
        del self._sizes[number]
        return list(self._version(number, self._versions.pop(number)))

    def _version(self, number: int, entities: Mapping[str, bytes]) -> Iterator[Rows]:
        registry = from_entities(entities)
        if (registry.version, registry.zone.id) != (number, self._zone):
            raise ValueError(
                f"version {number} holds version {registry.version} of zone {registry.zone.id[:100]!r}, expected zone {self._zone!r}"
            )
        yield from registry_rows(registry)

    def _keep(self, records: RecordSpans, i: int) -> int:
        key, value = checked_key(records.key(i) or b""), records.value(i)
        number, kind, _ = split_key(key)
        if value is not None and (size := _size(kind, value)) is not None:
            self._sizes[number] = size
        entities = self._versions.setdefault(number, {})
        if value is None:
            entities.pop(key, None)
        else:
            entities[key] = value
        return number


def _size(kind: str, value: bytes) -> int | None:
    """The number of records of its version that a zone's record tells. Raises ValueError for what is no entity at all; whether the facts
    are good shows when the version is whole."""
    check_entity(value)
    if kind != ZONE:
        return None
    entity = json.loads(value)
    if type(entity.get("entities")) is not int:
        raise ValueError('no zone: "entities", the number of records of its version, is missing')
    return int(entity["entities"])


def registry_rows(registry: Registry) -> Iterator[Rows]:
    """One version's rows, table by table. A name not given in a language is the English one, else the id."""
    yield _table(REGISTRY_METERS, registry, _registers(registry))
    for section in LISTS:
        if section.storage is not None and (entities := entities_of(registry, section)):
            yield _table(section.storage, registry, map(section.cells, entities, count()))
    for storage, rows in dimensions(registry):
        if rows:
            yield _table(storage, registry, rows)


def _registers(registry: Registry) -> Iterator[Mapping[str, object]]:
    index = RegistryIndex(registry)
    for meter in registry.meters:
        site = index.site_of(meter)
        names = index.companies[site.company].name if site.company else {}
        for register in meter.registers:
            yield {
                "meter": meter.id,
                "register": register.id,
                "site": site.id,
                "company": site.company,
                "node": site.node,
                **{name: getattr(meter, name) for name in ("gateway", "role", "parent")},
                **{name: getattr(register, name) for name in ("carrier", "direction", "kind", "unit", "base_unit")},
                **_names(names, site.company),
                **validity(meter.valid_from_ms, meter.valid_to_ms),
            }


def _names(name: Text, otherwise: str) -> dict[str, str]:
    return {f"name_{language}": name.get(language, name.get("en", otherwise)) for language in LANGUAGES}


def _table(storage: Storage, registry: Registry, rows: Iterable[Mapping[str, object]]) -> Rows:
    schema = pa.schema([pa.field(c.name, plain_type(c), c.null) for c in storage.columns])
    every = {"zone": registry.zone.id, "version": registry.version}
    return storage.name, pa.Table.from_pylist([every | dict(row) for row in rows], schema=schema)
