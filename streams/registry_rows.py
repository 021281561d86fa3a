"""Registry versions on `zp.registry` -> rows of the dimension tables. Pure: no clients, no clock."""

from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa

from zonepulse.schemas.records import RecordSpans
from zonepulse.schemas.registry import Registry, Text
from zonepulse.schemas.registry_lookup import RegistryIndex
from zonepulse.schemas.registry_wire import from_entities, is_complete, split_key
from zonepulse.schemas.tables import LANGUAGES, REGISTRY_COMPANIES, REGISTRY_METERS, Storage
from zonepulse.streams.registry_dimensions import dimensions, validity
from zonepulse.streams.stored_rows import BadBlock, plain_type

Rows = tuple[str, pa.Table]
"""Table and its stored columns."""


class RegistryRows:
    """Collects the topic's records, from its beginning on, and turns each version into rows once it is whole."""

    def __init__(self) -> None:
        self._versions: dict[int, dict[str, bytes]] = {}

    def add(self, records: RecordSpans) -> Iterator[Rows]:
        """The rows of the versions that these records complete. Raises BadBlock."""
        try:
            for number in sorted({self._keep(records, i) for i in range(len(records))}):
                if is_complete(self._versions[number]):
                    yield from registry_rows(from_entities(self._versions.pop(number)))
        except (ValueError, KeyError, TypeError) as error:
            where = f"{records.topic}/{records.partition} offsets {records.offset[0]} to {records.offset[-1]}"
            raise BadBlock(f"{where}: {type(error).__name__}: {error}; only `registry apply` writes this topic") from error

    def _keep(self, records: RecordSpans, i: int) -> int:
        key, value = (records.key(i) or b"").decode(), records.value(i)
        number, _, _ = split_key(key)
        entities = self._versions.setdefault(number, {})
        if value is None:
            entities.pop(key, None)
        else:
            entities[key] = value
        return number


def registry_rows(registry: Registry) -> Iterator[Rows]:
    """One version's companies and registers, and what else it has. A name not given in a language is the English one, else the id."""
    yield _table(REGISTRY_COMPANIES, registry, _companies(registry))
    yield _table(REGISTRY_METERS, registry, _registers(registry))
    for storage, rows in dimensions(registry):
        if rows:
            yield _table(storage, registry, rows)


def _companies(registry: Registry) -> Iterator[Mapping[str, object]]:
    for company in registry.companies:
        yield {
            "company": company.id,
            **_names(company.name, company.id),
            "sector": company.sector,
            "employees": company.employees,
        }


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
