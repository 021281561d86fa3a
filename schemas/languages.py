"""The languages of everything that people read: screens, messages, dashboards, names in the store."""

from typing import Final, Literal, get_args

Language = Literal["en", "de", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
