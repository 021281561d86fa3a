"""What reports say, in the reader's language, beside what the board says."""

from datetime import date
from importlib.resources import files
from typing import Final

import yaml
from babel.dates import format_date

from zonepulse.schemas.indicators.periods import Period
from zonepulse.streams.board.words import LOCALES, Words

REPORT_TEXTS: Final[dict[str, dict[str, str]]] = yaml.safe_load(
    (files("zonepulse.streams.reports") / "texts.yaml").read_text("utf-8")
)
"""Key -> language -> text."""
_MONTH_NAMES: Final = {"en": "MMMM", "de": "MMMM", "zh": "M月"}
_MONTHS: Final = {"en": "MMMM y", "de": "MMMM y", "zh": "y年M月"}


class ReportWords(Words):
    """One reader of reports."""

    def __init__(self, language: str, timezone: str) -> None:
        super().__init__(language, timezone)
        self._known = {**self._known, **REPORT_TEXTS}

    def month(self, period: Period) -> str:
        """Its name and year."""
        return str(format_date(period.first, _MONTHS[self.language], locale=LOCALES[self.language]))

    def month_name(self, day: date) -> str:
        """Of the month that a day is in, without the year."""
        return str(format_date(day, _MONTH_NAMES[self.language], locale=LOCALES[self.language]))

    def word(self, text: str) -> str:
        """A word of the ledger in the reader's language, as it is where there is none."""
        return self(text) if text in self._known else text
