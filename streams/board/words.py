"""Texts, numbers and times as the reader of a page writes them. What is not known is a dash, never a zero."""

from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

import yaml
from babel.dates import format_datetime, format_time, format_timedelta
from babel.numbers import format_decimal, format_percent

from zonepulse.schemas.languages import LANGUAGES
from zonepulse.schemas.registry.model import Text
from zonepulse.streams.queries.texts import Texts

LOCALES: Final = {"en": "en_GB", "de": "de_DE", "zh": "zh_Hans_CN"}
NOTHING: Final = "–"
_MOMENTS: Final = {"en": "d MMM y, HH:mm", "de": "d. MMM y, HH:mm", "zh": "y年M月d日 HH:mm"}
BOARD_TEXTS: Final[dict[str, dict[str, str]]] = yaml.safe_load((files("zonepulse.streams.board") / "texts.yaml").read_text("utf-8"))
"""Key -> language -> text: what only the board says."""
_LEDGER_WORDS: Final = frozenset(
    ("electricity", "natural_gas", "reactive", "import", "export", "generation", "charge", "discharge", "hourly", "volume")
)
_MG_PER_KG: Final = 1e6
_MG_PER_T: Final = 1e9
_LARGEST: Final = 1e15
"""Beyond, digits say nothing."""


class Words(Texts):
    """One reader: a language and the zone's time zone."""

    def __init__(self, language: str, timezone: str) -> None:
        super().__init__(language, BOARD_TEXTS)
        self._locale, self._zone = LOCALES[language], ZoneInfo(timezone)

    def known(self, word: str) -> str:
        """A word of the ledger in the reader's language, as it is where there is none."""
        return self(word) if word in _LEDGER_WORDS else word

    def name(self, text: Text, fallback: str) -> str:
        """A registry's text in the reader's language, else in English, else the id."""
        return text.get(self.language) or text.get("en") or fallback

    def number(self, value: float | None, decimals: int = 0) -> str:
        """With the reader's separators."""
        if value is None or abs(value) >= _LARGEST:
            return NOTHING
        rounded = round(value, decimals) + 0.0  # -0.0 is written as 0
        form = "#,##0" + ("." + "0" * decimals if decimals else "")
        return str(format_decimal(rounded, form, locale=self._locale))

    def three_digits(self, value: float | None) -> str:
        """As many decimals as three digits that count need, at most three."""
        size = abs(value or 0.0)
        return self.number(value, 0 if size >= 100 or size == 0 else 1 if size >= 10 else 2 if size >= 1 else 3)

    def axis(self, value: float) -> str:
        """As many decimals as the value has, at most three."""
        return str(format_decimal(round(value, 3) + 0.0, "#,##0.###", locale=self._locale))

    def percent(self, share: float | None, decimals: int = 0, *, signed: bool = False) -> str:
        """A share of 1."""
        if share is None:
            return NOTHING
        form = "0" + ("." + "0" * decimals if decimals else "")
        sign = "+" if signed and round(100 * share, decimals) > 0 else ""
        return sign + str(format_percent(round(share, 2 + decimals) + 0.0, f"{form}%", locale=self._locale))

    def tonnes(self, mg: float | None, decimals: int = 2) -> str:
        """mg as t, without the unit: one unit a column."""
        return NOTHING if mg is None else self.number(mg / _MG_PER_T, decimals)

    def kilograms(self, mg: float | None, decimals: int = 1) -> str:
        """mg as kg, without the unit."""
        return NOTHING if mg is None else self.number(mg / _MG_PER_KG, decimals)

    def moment(self, ms: float | None) -> str:
        """Date and time of the zone."""
        return NOTHING if ms is None else str(format_datetime(self._local(ms), _MOMENTS[self.language], locale=self._locale))

    def clock(self, ms: float, *, seconds: bool = False) -> str:
        """Time of day of the zone."""
        return str(format_time(self._local(ms), "HH:mm:ss" if seconds else "HH:mm", locale=self._locale))

    def span(self, seconds: float | None) -> str:
        """A duration in its largest unit."""
        return NOTHING if seconds is None else str(format_timedelta(timedelta(seconds=seconds), locale=self._locale, threshold=1.5))

    def hour_ticks(self, from_ms: int, to_ms: int, hours: int = 4) -> list[tuple[int, str]]:
        """Whole hours of the zone's clock, as an axis names them."""
        first = self._local(from_ms).replace(minute=0, second=0, microsecond=0)
        found = (first + timedelta(hours=n) for n in range(1, (to_ms - from_ms) // 3_600_000 + 2))
        kept = (t for t in (moment.astimezone(self._zone) for moment in found) if t.hour % hours == 0)
        ticks = [(round(t.timestamp() * 1000), format_time(t, "HH:mm", locale=self._locale)) for t in kept]
        return [(ms, str(text)) for ms, text in ticks if from_ms + 1_200_000 <= ms <= to_ms - 1_200_000]

    def _local(self, ms: float) -> datetime:
        return datetime.fromtimestamp(ms / 1000, UTC).astimezone(self._zone)


def language_of(wanted: str | None, accepted: str) -> str:
    """The language asked for by name, else the first known one of an Accept-Language header, else English."""
    if wanted in LANGUAGES:
        return str(wanted)
    ranked: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted[:500].split(",")):
        tag, _, quality = part.strip().partition(";q=")
        try:
            ranked.append((-float(quality or 1), place, tag.lower()[:2]))
        except ValueError:
            continue
    return next((language for q, _, language in sorted(ranked) if q < 0 and language in LANGUAGES), "en")
