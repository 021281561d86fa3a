"""Texts, numbers and times of the board's readers."""

import re
import string
from importlib.resources import files

import pytest

from zonepulse.schemas.languages import LANGUAGES
from zonepulse.streams.board.settings import BoardSettings
from zonepulse.streams.board.words import BOARD_TEXTS, Words, language_of
from zonepulse.streams.queries.texts import TEXTS
from zonepulse.streams.settings import BadSetting

BOARD = files("zonepulse.streams.board")
EN, DE, ZH = (Words(language, "Asia/Shanghai") for language in LANGUAGES)


def test_every_text_has_every_language_with_the_same_places_and_is_not_said_twice() -> None:
    for key, said in BOARD_TEXTS.items():
        assert tuple(said) == LANGUAGES and key not in TEXTS, key
        assert len({tuple(sorted(f for _, f, _, _ in string.Formatter().parse(text) if f)) for text in said.values()}) == 1, key


def test_every_text_is_used() -> None:
    sources = "".join(
        p.read_text("utf-8") for d in (BOARD, BOARD / "templates") for p in d.iterdir() if p.name.endswith((".py", ".j2"))
    )
    made = ("basis_", "scope_")
    plain = [key for key in BOARD_TEXTS if not key.startswith(made) and not key.endswith("_why")]
    assert [key for key in plain if not re.search(rf"['\"]{key}['\"]", sources)] == []


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (EN.number(1234.56, 1), "1,234.6"), (DE.number(1234.56, 1), "1.234,6"), (ZH.number(1234.56, 1), "1,234.6"),
        (EN.number(-0.0001), "0"), (EN.number(None), "–"), (EN.number(1e300), "–"), (EN.percent(None), "–"), (EN.tonnes(None), "–"),
        (DE.three_digits(1234.5), "1.234"), (EN.three_digits(12.345), "12.3"), (EN.three_digits(0.01234), "0.012"),
        (EN.percent(0.123, 1), "12.3%"), (EN.percent(0.1, signed=True), "+10%"), (EN.percent(-0.1, signed=True), "-10%"),
        (EN.percent(0.0001, signed=True), "0%"), (EN.tonnes(2_399_000_000), "2.40"), (EN.kilograms(1_500_000), "1.5"),
        (EN.clock(0), "08:00"), (EN.moment(0), "1 Jan 1970, 08:00"), (DE.moment(0), "1. Jan. 1970, 08:00"),
        (ZH.moment(0), "1970年1月1日 08:00"),
        (EN.span(None), "–"), (EN.span(300), "5 minutes"), (EN.name({"en": "Mill"}, "m"), "Mill"), (DE.name({"zh": "厂"}, "m"), "m"),
    ],
)  # fmt: skip
def test_numbers_and_times_are_written_as_the_reader_does(shown: str, expected: str) -> None:
    assert shown.replace("\xa0", " ") == expected


def test_hours_of_an_axis_follow_the_zones_clock_over_its_changes() -> None:
    berlin = Words("de", "Europe/Berlin")
    end_ms = 1_774_828_800_000  # 2026-03-30T00:00Z; the clock went forward on the 29th
    assert [text for _, text in berlin.hour_ticks(end_ms - 86_400_000, end_ms, 4)] == [
        "04:00",
        "08:00",
        "12:00",
        "16:00",
        "20:00",
        "00:00",
    ]


@pytest.mark.parametrize(
    ("wanted", "accepted", "expected"),
    [
        ("zh", "de", "zh"), (None, "de-AT,en;q=0.5", "de"), (None, "fr,zh-CN;q=0.8,en;q=0.9", "en"), (None, "", "en"),
        ("xx", "de;q=0", "en"), (None, "de;q=x,zh", "zh"), (None, "zh-Hans-CN", "zh"),
    ],
)  # fmt: skip
def test_the_language_is_the_asked_one_then_the_browsers(wanted: str | None, accepted: str, expected: str) -> None:
    assert language_of(wanted, accepted) == expected


@pytest.mark.parametrize("setting", [{"PORT": "x"}, {"PORT": "70000"}, {"REFRESH_S": "0"}, {"STREAMS": "-1"}, {"REFRESH_S": "nan"}])
def test_a_setting_that_cannot_be_used_is_named(setting: dict[str, str]) -> None:
    ((name, value),) = setting.items()
    with pytest.raises(BadSetting, match=f"ZONEPULSE_BOARD_{name} is '{value}', expected"):
        BoardSettings.from_env({f"ZONEPULSE_BOARD_{name}": value})
    assert BoardSettings.from_env({}).host == "127.0.0.1"
