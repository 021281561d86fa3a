"""What advice says: every reason, kind and formula in three languages, which name the same."""

import string
from typing import get_args

import pytest

from zonepulse.processors.advice.hours import Confidence, Reason, Said
from zonepulse.schemas.languages import LANGUAGES
from zonepulse.streams.efficiency.advice_words import ADVICE_TEXTS, AdviceWords

KINDS = (
    "night_base_load", "weekend_base_load", "shift_by_intensity", "shift_by_price", "photovoltaics", "power_factor", "unmatched_contracts",
)  # fmt: skip


def test_every_text_is_there_in_every_language_and_names_the_same() -> None:
    needed = {*get_args(Reason), *get_args(Confidence), *KINDS, *(f"formula_{kind}" for kind in KINDS)}
    assert needed <= ADVICE_TEXTS.keys()
    for key, texts in ADVICE_TEXTS.items():
        assert list(texts) == list(LANGUAGES), key
        named = [{(name, form) for _, name, form, _ in string.Formatter().parse(text) if name} for text in texts.values()]
        assert named[0] == named[1] == named[2], key


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "the yield's centre lies +8.0 h from solar noon at 121.5 degrees; mend its time zone"),
        ("de", "die Mitte des Ertrags liegt +8,0 h vom Sonnenmittag bei 121,5 Grad; die Zeitzone berichtigen"),
        ("zh", "发电量中心与经度 121.5 度的太阳正午相差 +8.0 小时；请更正时区"),
    ],
)
def test_a_reason_is_read_in_the_reader_s_language_with_its_numbers(language: str, said: str) -> None:
    assert AdviceWords(language).said(Said("noon_off", (8.0, 121.5))) == said
