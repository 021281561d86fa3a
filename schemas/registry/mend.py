"""What can be mended on the registry's topic without knowing more than the topic and the zone.yaml at hand.

Junk gets a tombstone: a key that no version has, a value that is no entity, a record more than a version says it holds where its kind is
unknown. A version that was published from the very zone.yaml at hand, and of which something is damaged, missing or too much, is written
again as it was. Everything else stays as it is: a version that is whole, one that another `registry apply` is writing now, and one whose
zone.yaml is not here (which that file mends).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.wire import (
    ENTITY_TYPES,
    EXTRA,
    ZONE,
    by_version,
    check_entity,
    checked_key,
    from_entities,
    split_key,
    to_entities,
)
from zonepulse.schemas.values import shortened, visible

_KINDS = {*ENTITY_TYPES, EXTRA, ZONE}


@dataclass(frozen=True, slots=True)
class Mend:
    """Records to write (value None = a tombstone), and what that does, for people."""

    records: tuple[tuple[bytes, bytes | None], ...]
    what: str


def mends(found: Mapping[bytes, bytes | None], new: Registry) -> list[Mend]:
    """`found`: the newest value of every key of the topic. `new`: the registry of the zone.yaml at hand."""
    out, good = [], dict[str, bytes | None]()
    for raw, value in found.items():
        try:
            key = checked_key(raw)
            if value is not None:
                check_entity(value)
        except (ValueError, RecursionError) as error:
            if value is not None:
                out.append(Mend(((raw, None),), f"record {_shown(raw)} is removed: {shortened(visible(str(error)))}"))
        else:
            good[key] = value
    for number, entities in sorted(by_version(good).items()):
        out += _version(number, entities, new)
    return out


def _version(number: int, entities: Mapping[str, bytes], new: Registry) -> Iterator[Mend]:
    if _is_readable(entities):
        return
    expected = dict(to_entities(replace(new, version=number)))
    zone = next(key for key in expected if split_key(key)[1] == ZONE)
    others = {key for key in expected if key != zone}
    if entities.get(zone) == expected[zone] or (others and all(entities.get(key) == expected[key] for key in others)):
        records = [(key.encode(), None) for key in entities if key not in expected]
        changed = [(key.encode(), value) for key, value in expected.items() if entities.get(key) != value]
        yield Mend(
            (*records, *changed), f"version {number} is written again as this file has it: {len(records) + len(changed)} records"
        )
        return
    unknown = [key for key in entities if split_key(key)[1] not in _KINDS]
    if unknown and _is_readable({key: value for key, value in entities.items() if key not in unknown}):
        yield Mend(
            tuple((key.encode(), None) for key in unknown),
            f"version {number} loses {len(unknown)} records of a kind that no registry has",
        )


def _is_readable(entities: Mapping[str, bytes]) -> bool:
    try:
        from_entities(entities)
    except Exception:  # foreign text raises of any kind
        return False
    return True


def _shown(raw: bytes) -> str:
    return json.dumps(shortened(visible(raw.decode("utf-8", "backslashreplace"))), ensure_ascii=False)
