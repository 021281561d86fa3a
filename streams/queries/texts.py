"""The texts of texts.yaml and of the rules about meters in one language, and texts that are their own keys."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml

from zonepulse.processors.detection.meter.rules import RULES

LANGUAGES: Final = ("en", "de", "zh")
LANGUAGE_NAMES: Final = {"en": "English", "de": "Deutsch", "zh": "中文"}
TEXTS: Final[dict[str, dict[str, str]]] = {
    **yaml.safe_load((Path(__file__).parent / "texts.yaml").read_text("utf-8")),
    **{rule.id: rule.short for rule in RULES},
}
"""Key -> language -> text."""


class Texts:
    """The texts of one language; `more` are those of one screen, beside the shared ones."""

    def __init__(self, language: str, more: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self.language = language
        self._known: Mapping[str, Mapping[str, str]] = {**TEXTS, **(more or {})}

    def __call__(self, key: str, **values: object) -> str:
        """The text of `key`, its `{names}` replaced by `values`. Raises KeyError for an unknown key or a missing value."""
        text = self._known[key][self.language]
        return text.format(**values) if values else text


class Keys(Texts):
    """Every text is its key: rows asked for with it have the same columns and words in every language, so that one answer serves all."""

    def __init__(self) -> None:
        super().__init__("en")

    def __call__(self, key: str, **values: object) -> str:
        """The key. Raises KeyError for an unknown one."""
        if key not in self._known:
            raise KeyError(key)
        return key
