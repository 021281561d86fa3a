"""Commands: what is written is read again, and what is no command is told why."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonepulse.schemas.messages.commands import (
    HAND_OVER,
    KEEP,
    KINDS,
    SKIP,
    BadCommand,
    Command,
    Place,
    Told,
    parse_command,
    parse_place,
)
from zonepulse.schemas.messages.hand_overs import HandOver, parse_hand_over
from zonepulse.streams.control.command_log import CommandLog, hand_overs, skip_of

ALERT = f"{'0' * 16}/1790784900000"
OVER = HandOver("0123abcd", "0123abcd", "repaired", 5, 9)
TARGETS = {
    SKIP: "readings/3/217", "acknowledge": ALERT, "snooze": ALERT, "comment": ALERT, "maintenance": "meter=TC-0042-E1",
    HAND_OVER: OVER.encode().decode(), KEEP: "0123abcd", "amend": "TC-0042-E1 1.8.0 1790784900000 4",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_command_of_every_kind_comes_back(kind: str) -> None:
    command = Command(kind, TARGETS[kind], "li@zone", "为什么", until_ms=5, made_at_ms=4)
    assert parse_command(command.encode()) == command
    assert command.key == f"{kind}/{TARGETS[kind]}".encode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "explode"}, "there are skip"), ({"target": "readings/3"}, "whole numbers"), ({"target": "nothing/3/1"}, "no topic"),
        ({"target": "readings/-1/1"}, "whole numbers"), ({"target": "readings/1/9223372036854775808"}, "whole numbers"),
        ({"target": "readings/٣/1"}, "whole numbers"), ({"why": 7}, "texts"), ({"why": "x" * 2001}, "at most 2000"),
        ({"until_ms": -1}, "epoch"), ({"until_ms": 1.5}, "epoch"), ({"more": 1}, "keys"),
        ({"kind": "snooze", "target": ALERT}, "needs until_ms"),
        ({"kind": "acknowledge", "target": "abc/1"}, "fingerprint/starts_at"),
        ({"kind": "maintenance", "target": " ", "until_ms": 1}, "target"),
        ({"kind": "keep", "target": "0123abcd-before"}, "eight hexadecimal digits"),
        ({"kind": "hand_over", "target": "run"}, "no hand-over"),
        ({"kind": "hand_over", "target": HandOver("../..", "0123abcd", "r", 5, 9).encode().decode()}, "names id"),
        ({"kind": "hand_over", "target": HandOver("0123abcd", "0123abcd", "r", 9, 9).encode().decode()}, "begins before it ends"),
        ({"kind": "amend", "target": "TC-0042-E1 1.8.0 4", "until_ms": 1}, "METER REGISTER FROM_MS COUNT"),
    ],
)  # fmt: skip
def test_what_is_no_command_is_told_why(change: dict[str, object], words: str) -> None:
    said = json.loads(Command(SKIP, "readings/3/217", "li", "bad").encode()) | change
    with pytest.raises(BadCommand, match=words):
        parse_command(json.dumps(said).encode())


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_a_command_or_a_named_mistake(value: bytes) -> None:
    with pytest.raises(BadCommand):
        parse_command(value)


def test_deep_nesting_is_a_named_mistake() -> None:
    with pytest.raises(BadCommand):
        parse_command(b"[" * 100_000)


def test_a_log_answers_with_and_without_prefix() -> None:
    log = CommandLog("zp.", [skip_of(parse_place("readings/3/217"), "bad"), skip_of(Place("readings", 3, 5), "bad")])
    assert log.is_skipped("zp.readings", 3, 217) and log.is_skipped("readings", 3, 217)
    assert not log.is_skipped("readings", 2, 217) and not log.is_skipped("intervals", 3, 217)
    assert log.skipped_in("zp.readings", 3, 0, 217) == [5, 217]
    assert log.skipped_in("zp.readings", 3, 6, 216) == []


def test_hand_overs_are_known_by_their_place_in_the_log() -> None:
    handed = [HandOver(f"{n:08x}", f"{n:08x}", "r", 5, 9) for n in (3, 4)]
    told = [Told(n, 70 + n, Command(HAND_OVER, by.encode().decode(), "li", "")) for n, by in enumerate(handed)]
    found = hand_overs([*told, Told(5, 90, skip_of(Place("readings", 3, 5), "bad"))])
    assert [(by.id, by.order) for by in found] == [("00000003", 70), ("00000004", 71)]
    assert parse_hand_over(found[0].encode()) == found[0]
