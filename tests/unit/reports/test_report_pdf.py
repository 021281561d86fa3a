"""A report on paper: no character without a glyph, nothing fetched from outside."""

import html
import logging

import pytest
from pdf_glyphs import boxes, glyphs, pages

from zonepulse.schemas.languages import LANGUAGES
from zonepulse.streams.indicators import words
from zonepulse.streams.queries.texts import TEXTS
from zonepulse.streams.reports.fonts import what_is_missing
from zonepulse.streams.reports.page import Paper, paper, style
from zonepulse.streams.reports.words import REPORT_TEXTS


def of_text(text: str, language: str = "en") -> Paper:
    page = f'<html lang="{language}"><head><style>{style()}</style></head><body><p>{html.escape(text)}</p></body></html>'
    return paper(page, uncompressed_pdf=True)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_a_report_has_its_glyphs(language: str) -> None:
    said = [*REPORT_TEXTS.values(), *words.VERDICTS.values(), *words.ELECTRICITY.values(), *TEXTS.values()]
    text = sorted({c for texts in said for c in texts[language] if not c.isspace()})
    drawn = of_text(" ".join(text), language)
    assert drawn.missing == "" and boxes(drawn.pdf) == 0
    assert len(list(glyphs(drawn.pdf))) >= len(text)
    assert what_is_missing() is None


def test_a_character_that_no_font_has_is_seen() -> None:
    drawn = of_text("a\U0010fffdb")
    assert (drawn.missing, boxes(drawn.pdf)) == ("\U0010fffd", 1)


def test_a_report_fetches_nothing(caplog: pytest.LogCaptureFixture) -> None:
    page = '<html><body><img src="http://127.0.0.1:9/a.png"><img src="file:///etc/hostname"><p>text</p></body></html>'
    with caplog.at_level(logging.WARNING, "weasyprint"):
        assert pages(paper(page, uncompressed_pdf=True).pdf) == 1
    assert sum("a report needs nothing from outside" in record.getMessage() for record in caplog.records) == 2
