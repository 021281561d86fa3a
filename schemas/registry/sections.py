"""The sections of zone.yaml, in the order in which they are read, published and compared.

A new one is a file beside this one with its entity and its Section, and its line in SECTIONS.
"""

from dataclasses import fields
from typing import Any, Final

import msgspec

from zonepulse.schemas.registry.budgets import BUDGETS
from zonepulse.schemas.registry.calendars import CALENDARS
from zonepulse.schemas.registry.efficiency.networks import EFFICIENCY
from zonepulse.schemas.registry.efficiency.weather import WEATHER
from zonepulse.schemas.registry.inputs import INPUTS
from zonepulse.schemas.registry.model import (
    Company,
    Contract,
    Entry,
    Factor,
    Gateway,
    MeterChange,
    MeterVersion,
    Registry,
    Rule,
    Site,
)
from zonepulse.schemas.registry.network import NETWORK
from zonepulse.schemas.registry.section import Booked, Field, Section
from zonepulse.schemas.registry.subscribers import SUBSCRIBERS
from zonepulse.schemas.registry.tariffs import TARIFFS
from zonepulse.schemas.tables.ddl import REGISTRY_COMPANIES

_NO_VALIDITY: Final = "this has no validity of its own; give the meters another version that names another site"
_TIMELESS: Final = {"valid_from": _NO_VALIDITY, "valid_to": _NO_VALIDITY}
_ID: Final = Field("id", "id", need=True)

COMPANIES: Final = Section(
    "companies",
    "company",
    Company,
    (
        Field("id", "id", need=True, column="company"),
        Field("name", "name"),
        Field("sector", "text", default=""),
        Field("employees", "count"),
    ),
    hints=_TIMELESS,
    storage=REGISTRY_COMPANIES,
)
SITES: Final = Section(
    "sites",
    "site",
    Site,
    (
        _ID,
        Field("company", "id", "absent or null: the zone's own, such as its grid point", default="", of="companies"),
        Field("node", "id", "node of the network", default=""),
    ),
    hints=_TIMELESS,
)
GATEWAYS: Final = Section("gateways", "gateway", Gateway, (_ID, Field("site", "id", need=True, of="sites")), hints=_TIMELESS)
METERS: Final = Section("meters", "meter", MeterVersion, is_versioned=True)
METER_CHANGES: Final = Section(
    "meter_changes",
    "meter_change",
    MeterChange,
    (
        Field("meter", "id", need=True, of="meters"),
        Field("register", "id", need=True),
        Field("at", "moment", need=True),
        Field("old_final", "float", "last value of the old register", need=True),
        Field("new_initial", "float", "first value of the new one", need=True),
    ),
    identity=("meter", "register", "at_ms"),
)
ENTRIES: Final = Section(
    "entries",
    "entry",
    Entry,
    booked=Booked(lambda entry: entry.at_ms, "let `at` be {since} or later and keep the true time in `occurred`"),
)
SECTIONS: Final[tuple[Section, ...]] = (
    COMPANIES,
    SITES,
    GATEWAYS,
    METERS,
    METER_CHANGES,
    Section("factors", "factor", Factor),
    CALENDARS,
    Section("rules", "rule", Rule),
    Section("contracts", "contract", Contract),
    ENTRIES,
    INPUTS,
    BUDGETS,
    TARIFFS,
    EFFICIENCY,
    WEATHER,
    NETWORK,
    SUBSCRIBERS,
)
LISTS: Final[tuple[Section, ...]] = tuple(part for section in SECTIONS for part in section.parts or (section,))
"""Those of `SECTIONS`, with the lists of a mapping in its place."""
_WHOLES: Final = {section.name: section for section in SECTIONS if section.parts}
_OWN: Final = frozenset(one.name for one in fields(Registry))


def entities_of(registry: Registry, section: Section) -> tuple[Any, ...]:
    """The registry's entities of one of `LISTS`. Raises msgspec.ValidationError: plain ones of another program are none."""
    if section.is_plain:
        return tuple(msgspec.convert(plain, section.type) for plain in registry.extra.get(section.name, ()))
    whole, _, part = section.name.partition(".")
    if part:
        return tuple(getattr(whole_of(registry, _WHOLES[whole]), part))
    found: tuple[Any, ...] = getattr(registry, section.name) if section.name in _OWN else registry.more.get(section.name, ())
    return found


def whole_of(registry: Registry, section: Section) -> Any:
    """The registry's one entity of a mapping; as it is made where none is written."""
    return getattr(registry, section.name) if section.name in _OWN else registry.more.get(section.name, section.type())


def by_attribute(found: dict[str, Any]) -> dict[str, Any]:
    """Entities by section, and the whole of a mapping, as arguments of Registry."""
    plain = {section.name for section in SECTIONS if section.is_plain} & found.keys()
    own = {name: entities for name, entities in found.items() if name in _OWN}
    more = {name: found[name] for name in found if name not in _OWN | plain and not _is_empty(name, found[name])}
    extra = {name: msgspec.json.decode(msgspec.json.encode(found[name])) for name in sorted(plain)}
    return own | {"more": more} | ({"extra": extra} if plain else {})


def _is_empty(name: str, entities: Any) -> bool:
    return bool(entities == _WHOLES[name].type()) if name in _WHOLES else not entities
