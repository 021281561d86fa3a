import numpy as np
from fetches import channels

from zonepulse.processors.decoding.channel_hash import ABSENT, KeyTable, build_tables, find, find_channel, key_table, tables_of
from zonepulse.processors.flow import NO_METER, NO_REGISTER


def look_up(table: KeyTable, a: str, b: str = "") -> int:
    text = np.frombuffer(b"<" + a.encode() + b.encode() + b">", np.uint8)
    middle = 1 + len(a.encode())
    return int(find(table, text, 1, middle, text, middle, len(text) - 1))


def test_every_key_is_found_and_no_other() -> None:
    pairs = [(f"M{i}", f"{i % 3}.8.0") for i in range(500)] + [("", ""), ("水表", "1"), ("a", ""), ("", "a")]
    table = key_table(pairs)
    assert [look_up(table, *pair) for pair in pairs] == list(range(len(pairs)))
    assert look_up(table, "M500", "2.8.0") == ABSENT


def test_the_border_between_the_parts_counts() -> None:
    table = key_table([("ab", "c"), ("a", "bc")])
    assert (look_up(table, "ab", "c"), look_up(table, "a", "bc"), look_up(table, "abc")) == (0, 1, ABSENT)


def test_equal_hashes_are_told_apart_by_the_bytes() -> None:
    table = key_table([("ab", "c")])
    slot = int(np.flatnonzero(table.slots[:, 3] != ABSENT)[0])
    keys = table.keys.copy()
    keys[0] = ord("x")
    assert look_up(KeyTable(table.slots, table.ends, keys), "ab", "c") == ABSENT
    assert table.slots[slot, 3] == 0


def test_an_empty_table_finds_nothing() -> None:
    assert look_up(key_table([]), "", "") == ABSENT


def test_the_registry_s_tables_say_what_its_index_says() -> None:
    compiled = channels()
    tables = build_tables(compiled)

    def channel(meter: str, register: str) -> int:
        text = np.frombuffer((meter + register).encode() + b"\0", np.uint8)
        return int(find_channel(tables, text, 0, len(meter), text, len(meter), len(meter) + len(register)))

    assert [channel(*name) for name in compiled.names] == [compiled.index[name] for name in compiled.names]
    assert [look_up(tables.units, unit) for unit in compiled.units] == list(compiled.units.values())
    assert (channel("nobody", "1.8.0"), channel("M1", "9")) == (NO_METER, NO_REGISTER)


def test_the_tables_of_a_registry_are_made_once() -> None:
    compiled = channels()
    assert tables_of(compiled) is tables_of(compiled)
