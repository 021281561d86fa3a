import hashlib
from dataclasses import replace

import pytest

from zonepulse.schemas.messages.dead_letters import (
    MAX_KEY_BYTES,
    MAX_VALUE_BYTES,
    WHOLE_RECORD,
    BadDeadLetter,
    DeadLetter,
    decode_dead_letter,
)

LETTER = DeadLetter("zp.readings", 3, 1 << 40, WHOLE_RECORD, "malformed", 1_790_000_000_123, b"gw-1", b"\x00{")


def test_a_dead_letter_survives_the_wire() -> None:
    assert decode_dead_letter(LETTER.headers(), LETTER.key, LETTER.value) == LETTER


def test_numbers_travel_as_decimal_text() -> None:
    assert dict(LETTER.headers()) == {
        "topic": b"zp.readings",
        "partition": b"3",
        "offset": b"1099511627776",
        "item": b"-1",
        "reason": b"malformed",
        "received_at": b"1790000000123",
    }


def test_a_reading_in_the_wrong_partition_says_where_it_belongs() -> None:
    letter = replace(LETTER, reason="wrong_partition", expected_partition=2)
    assert dict(letter.headers())["expected_partition"] == b"2"
    assert decode_dead_letter(letter.headers(), letter.key, letter.value) == letter


def test_headers_of_others_are_ignored() -> None:
    assert decode_dead_letter((("trace", b"x"), *LETTER.headers()), LETTER.key, LETTER.value) == LETTER


def test_a_missing_header_is_named() -> None:
    with pytest.raises(BadDeadLetter, match="without header offset, reason"):
        decode_dead_letter([h for h in LETTER.headers() if h[0] not in ("offset", "reason")], None, None)


def test_a_number_that_is_none_is_named_with_its_value() -> None:
    with pytest.raises(BadDeadLetter, match="header item is 'first'"):
        decode_dead_letter((*LETTER.headers(), ("item", b"first")), None, None)


def test_what_is_too_long_to_be_sent_on_is_cut_and_its_size_and_hash_remain() -> None:
    whole = bytes(range(256)) * 40_000
    letter = replace(LETTER, value=whole, key=b"k" * 20_000).cut()
    assert (letter.value, letter.key) == (whole[:MAX_VALUE_BYTES], b"k" * MAX_KEY_BYTES)
    headers = dict(letter.headers())
    assert (headers["size"], headers["sha256"]) == (b"10240000", hashlib.sha256(whole).hexdigest().encode())
    assert decode_dead_letter(letter.headers(), letter.key, letter.value) == letter
    assert letter.cut() == letter


def test_what_fits_is_sent_as_it_is() -> None:
    for letter in (LETTER, replace(LETTER, value=b"v" * MAX_VALUE_BYTES, key=None), replace(LETTER, value=None)):
        assert letter.cut() is letter
