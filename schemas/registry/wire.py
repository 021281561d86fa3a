"""The registry on its compacted topic: one record an entity, with all the entity's validities.

Key: `version/kind/entity id`, such as `3/meter/TC-0001-E1`. Value: canonical JSON `{"at": [...], "facts": [...]}`; `facts` are the
entity's values in the order of the registry and `at` their places in it. Fractions are text (`40`, `1081095/500000`).
The `zone` entity also carries the version, the digest of zone.yaml and `entities`, the number of the version's records with
itself: a reader that holds as many has the whole version.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any, Final, TypeVar

import msgspec

from zonepulse.schemas.registry.model import Factor, MeterVersion, Register, Registry, Role, ZonePolicy
from zonepulse.schemas.registry.section import Section
from zonepulse.schemas.registry.sections import METERS, SECTIONS, by_attribute, entities_of, whole_of
from zonepulse.schemas.values import canonical_json, check_brackets

T = TypeVar("T")
METER: Final = METERS.kind
ENTITY_TYPES: Final[dict[str, Any]] = {section.kind: section.type for section in SECTIONS if not section.is_plain}
"""Kind of entity -> its type, without `zone` and `extra`."""
MAX_VERSION: Final = 1 << 31
"""Version numbers lie below."""
ZONE: Final = "zone"
EXTRA: Final = "extra"


class _MeterGroup(msgspec.Struct):
    """The value of a `meter` record; what its registers say is taken from the many records that say the same."""

    at: list[int]
    facts: list["_MeterFacts"]


class _MeterFacts(msgspec.Struct):
    id: str
    site: str
    gateway: str
    role: Role
    parent: str
    registers: msgspec.Raw
    valid_from_ms: int
    valid_to_ms: int


class _Meters:
    """Decodes `meter` records. Equal registers become one object."""

    def __init__(self) -> None:
        self._group = msgspec.json.Decoder(_MeterGroup)
        self._parts = msgspec.json.Decoder(list[msgspec.Raw])
        self._register = msgspec.json.Decoder(Register, dec_hook=_fraction)
        self._together: dict[bytes, tuple[Register, ...]] = {}
        self._alone: dict[bytes, Register] = {}

    def decode(self, values: Iterable[bytes]) -> tuple[MeterVersion, ...]:
        """All meter versions, in their places."""
        groups = [self._group.decode(value) for value in values]
        placed = [pair for group in groups for pair in zip(group.at, group.facts, strict=True)]
        placed.sort(key=lambda pair: pair[0])
        return tuple(
            MeterVersion(
                f.id, f.site, f.gateway, f.role, f.parent, self._registers(bytes(f.registers)), f.valid_from_ms, f.valid_to_ms
            )
            for _, f in placed
        )

    def _registers(self, raw: bytes) -> tuple[Register, ...]:
        if (found := self._together.get(raw)) is None:
            found = self._together[raw] = tuple(self._one(bytes(part)) for part in self._parts.decode(raw))
        return found

    def _one(self, raw: bytes) -> Register:
        if (found := self._alone.get(raw)) is None:
            found = self._alone[raw] = self._register.decode(raw)
        return found


class IncompleteVersion(ValueError):
    """The records do not make up a whole registry version; the message says what is missing."""


def key_of(version: int, kind: str, entity: str) -> str:
    """The record's key."""
    return f"{version}/{kind}/{entity}"


def split_key(key: str) -> tuple[int, str, str]:
    """Version, kind and entity id of a record's key. Raises ValueError."""
    version, kind, entity = key.split("/", 2)
    return int(version), kind, entity


def checked_key(raw: bytes) -> str:
    """A record's key as text. Raises ValueError for one that no registry version has."""
    key = raw.decode()
    if not 0 < split_key(key)[0] < MAX_VERSION:
        raise ValueError(f"a version is a number from 1 to {MAX_VERSION - 1}")
    return key


def check_entity(value: bytes) -> None:
    """Raises ValueError for what is no entity at all; whether its facts are good shows when the version is whole."""
    check_brackets(value)
    entity = json.loads(value)
    if not isinstance(entity, dict) or not isinstance(entity.get("facts"), list) or not isinstance(entity.get("at"), list):
        raise ValueError('no entity: an object with lists "at" and "facts" is expected')


def to_entities(registry: Registry) -> list[tuple[str, bytes]]:
    """The records of a registry version; the zone's comes last, so that a reader in order finds it complete."""
    groups: dict[tuple[str, str], dict[str, list[Any]]] = defaultdict(lambda: {"at": [], "facts": []})
    for section in SECTIONS:
        for at, (name, entity) in enumerate(_named(registry, section)):
            group = groups[section.kind, name]
            group["at"].append(at)
            group["facts"].append(_encode(entity))
    for name, value in registry.extra.items():
        groups[EXTRA, name] = {"at": [0], "facts": [value]}
    zone = {
        "at": [0],
        "facts": [_encode(registry.zone)],
        "version": registry.version,
        "sha256": registry.sha256,
        "entities": len(groups) + 1,
    }
    records = [(key_of(registry.version, kind, entity), _bytes(group)) for (kind, entity), group in groups.items()]
    return [*records, (key_of(registry.version, ZONE, registry.zone.id), _bytes(zone))]


def encode_one(entity: Any) -> bytes:
    """An entity alone, as topics besides `zp.registry` hold it: canonical JSON, exact."""
    return canonical_json(_encode(entity)).encode()


def decode_one(value: bytes | str, entity_type: type[T]) -> T:
    """What `encode_one` wrote. Raises ValueError, TypeError, msgspec.ValidationError."""
    check_brackets(value if isinstance(value, bytes) else value.encode())
    found: T = _decode(json.loads(value), entity_type)
    return found


def encode_factor(factor: Factor) -> bytes:
    """A factor alone."""
    return encode_one(factor)


def decode_factor(value: bytes | str) -> Factor:
    """What `encode_factor` wrote. Raises ValueError, msgspec.ValidationError."""
    return decode_one(value, Factor)


def by_version(records: Mapping[str, bytes | None]) -> dict[int, dict[str, bytes]]:
    """What a compacted topic holds, version by version; tombstones are left out."""
    versions: dict[int, dict[str, bytes]] = defaultdict(dict)
    for key, value in records.items():
        if value is not None:
            versions[split_key(key)[0]][key] = value
    return dict(versions)


def is_complete(entities: Mapping[str, bytes]) -> bool:
    """Whether the records of one version are all there. Raises ValueError for a zone's record that is none."""
    zones = [value for key, value in entities.items() if split_key(key)[1] == ZONE]
    check_brackets(*zones)
    return len(zones) == 1 and json.loads(zones[0])["entities"] == len(entities)


def from_entities(entities: Mapping[str, bytes]) -> Registry:
    """The registry of one version's records, exactly as it was published. Raises IncompleteVersion."""
    if len(by_version(entities)) != 1 or not is_complete(entities):
        versions = sorted(by_version(entities))
        raise IncompleteVersion(
            f"{len(entities)} records of registry versions {versions} are no whole version; read the topic further"
        )
    for value in entities.values():
        check_brackets(value)
    named = [(*split_key(key)[1:], value) for key, value in entities.items()]
    meters = _Meters().decode(value for kind, _, value in named if kind == METER)
    decoded = [(kind, name, json.loads(value)) for kind, name, value in named if kind != METER]
    zone = next(value for kind, _, value in decoded if kind == ZONE)
    sections: dict[str, Any] = {METERS.name: meters}
    for section in (one for one in SECTIONS if one is not METERS and not one.is_plain):
        facts = _in_order(value for kind, _, value in decoded if kind == section.kind)
        found = tuple(_decode(fact, section.type) for fact in facts)
        sections[section.name] = next(iter(found), section.type()) if section.parts else found
    return Registry(
        version=zone["version"],
        zone=_decode(zone["facts"][0], ZonePolicy),
        extra={name: value["facts"][0] for kind, name, value in decoded if kind == EXTRA},
        sha256=zone["sha256"],
        **by_attribute(sections),
    )


def _named(registry: Registry, section: Section) -> Iterator[tuple[str, Any]]:
    """A section's entities with their names: of a mapping the whole, unless it is empty; none of what is published as it is."""
    if section.parts:
        whole = whole_of(registry, section)
        yield from [(registry.zone.id, whole)] if whole != section.type() else []
    elif not section.is_plain:
        yield from ((section.name_of(entity), entity) for entity in entities_of(registry, section))


def _in_order(groups: Iterator[dict[str, Any]]) -> list[Any]:
    placed = [pair for group in groups for pair in zip(group["at"], group["facts"], strict=True)]
    return [fact for _, fact in sorted(placed, key=lambda pair: pair[0])]


def _encode(entity: Any) -> Any:
    return msgspec.to_builtins(entity, enc_hook=str)


def _decode(fact: Any, entity_type: Any) -> Any:
    return msgspec.convert(fact, entity_type, dec_hook=_fraction)


def _fraction(wanted: type, value: Any) -> Fraction:
    if wanted is not Fraction:
        raise NotImplementedError(f"registry facts hold no {wanted}")
    return Fraction(value)


def _bytes(value: Mapping[str, object]) -> bytes:
    return canonical_json(value).encode()
