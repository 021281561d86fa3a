"""Junk on the registry's topic: what can be mended is, what is whole or not known stays."""

from dataclasses import replace

import pytest
from zones import small, zone

from zonepulse.schemas.registry.mend import mends
from zonepulse.schemas.registry.wire import by_version, from_entities, to_entities
from zonepulse.schemas.zone_file.read import parse_zone

ONE, TWO = replace(zone(), version=1), replace(zone(("{id: b}", "{id: c}"), ("company: b", "company: c")), version=2)
Records = dict[bytes, bytes | None]


def topic(*versions: object) -> Records:
    return {key.encode(): value for version in versions for key, value in to_entities(version)}  # type: ignore[arg-type]


def mended(found: Records, new: object = TWO) -> tuple[Records, list[str]]:
    planned = mends(found, new)  # type: ignore[arg-type]
    for one in planned:
        found = found | dict(one.records)
    return found, [one.what for one in planned]


def readable(found: Records) -> list[int]:
    out = []
    for number, entities in by_version({key.decode(): value for key, value in found.items()}).items():
        try:
            from_entities(entities)
        except Exception:
            continue
        out.append(number)
    return out


def test_a_whole_topic_is_left_alone() -> None:
    assert mended(topic(ONE, TWO)) == (topic(ONE, TWO), [])
    assert mended({**topic(ONE), b"junk": None}) == ({**topic(ONE), b"junk": None}, [])


@pytest.mark.parametrize(
    "junk",
    [
        {b"junk": b"junk"}, {b"\xff\xfe": b"{}"}, {b"": b"x"}, {b"7/zone/x": b"no JSON"}, {b"7/meter/x": b"[" * 100_000},
        {b"%d/zone/x" % (1 << 62): b'{"at":[0],"facts":[{}]}'}, {b"-1/zone/x": b'{"at":[],"facts":[]}'}, {b"x/zone/x": b"{}"},
        {b"1/extra/forged": b"{}"}, {b"1/forged/kind": b'{"at":[0],"facts":[{}]}'}, {b"\x1b[2J/1": b"\x1b[2J"},
    ],
    ids=repr,
)  # fmt: skip
def test_junk_gets_a_tombstone_and_the_versions_are_whole(junk: Records) -> None:
    found, told = mended({**topic(ONE, TWO), **junk})
    assert found == {**topic(ONE, TWO), **dict.fromkeys(junk)}
    assert len(told) == 1
    assert all(character.isprintable() for character in told[0])


@pytest.mark.parametrize(
    "damage",
    [
        {b"1/zone/z": None}, {b"1/zone/z": b"junk"}, {b"1/extra/forged": b'{"at":[0],"facts":[1]}'}, {b"1/company/a": None},
        {b"1/company/a": b'{"at":[0],"facts":[{"id":"forged","name":{}}]}'}, {b"1/meter/M": b'{"at":["x"],"facts":[7]}'},
        {b"1/zone/other": b'{"at":[0],"facts":[{}],"entities":1}'},
    ],
    ids=repr,
)  # fmt: skip
def test_a_version_of_this_file_is_written_again_as_it_was_and_one_of_another_file_stays(damage: Records) -> None:
    damaged = {**topic(ONE, TWO), **damage}
    if not readable({k: v for k, v in damaged.items() if k.startswith(b"1/")}):
        found, _ = mended(damaged, ONE)
        assert {k: v for k, v in found.items() if v is not None} == topic(ONE, TWO)
    other = parse_zone(small(("max_power: 1000000", "max_power: 999"), ("{id: a}", "{id: a, employees: 7}")))
    found, _ = mended(damaged, other)
    assert {k: v for k, v in found.items() if k.startswith(b"2/")} == topic(TWO)
    assert all(found[k] in (v, None) for k, v in damaged.items())


def test_a_lost_zone_is_taken_from_a_file_that_says_the_same_of_all_else() -> None:
    other = parse_zone(small(more="\n# another file\n"))
    found, _ = mended({**topic(ONE), b"1/zone/z": None}, other)
    assert readable(found) == [1]


def test_a_version_that_another_process_is_writing_stays() -> None:
    half = dict(list(topic(TWO).items())[:3])
    assert mended({**topic(ONE), **half}, ONE) == ({**topic(ONE), **half}, [])
