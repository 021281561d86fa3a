"""`zonepulse indicators`: what it refuses before it asks the store, and that every word is there in every language."""

from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner
from zones import SMALL

from zonepulse.processors.indicators.answers import Missing, Why
from zonepulse.processors.indicators.evaluate import Verdict
from zonepulse.processors.indicators.sums import Entity
from zonepulse.schemas.languages import LANGUAGES
from zonepulse.streams.cli.main import app
from zonepulse.streams.indicators import words


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "national-zero-carbon"], "--set 'national-zero-carbon': did you mean `national-zero-carbon-park`?"),
        (["--period", "2026-13"], "--period: '2026-13' is no period"),
        (["--language", "fr"], "--language 'fr': write en, de or zh"),
        (["--of", "c"], "--of 'c': there are z, a, b"),
    ],
)
def test_what_it_cannot_do_is_told_with_a_remedy(tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "zone.yaml").write_text(SMALL, "utf-8")
    result = CliRunner().invoke(app, ["indicators", "--zone", str(tmp_path / "zone.yaml"), *arguments])
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_and_verdict_is_said_in_every_language(language: str) -> None:
    for why in get_args(Why):
        text = words.reason(Missing("solid_waste_t", why, ("bakery",)), Entity("company", "mill"), "2026-03", language)
        assert text and "{" not in text.replace("{quantity: ", "")
    assert all(language in words.VERDICTS[verdict] for verdict in get_args(Verdict))
    assert len(words.HEADS[language]) == len(words.COLUMNS)


def test_a_reason_shows_the_input_to_write() -> None:
    text = words.reason(Missing("solid_waste_t", "input"), Entity("company", "mill"), "2026-03", "en")
    assert text == (
        "solid_waste_t is missing; give it in `inputs` of zone.yaml: {quantity: solid_waste_t, company: mill, period: 2026-03, value: ...}"
    )
