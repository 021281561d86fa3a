"""The texts of texts.yaml in one language."""

from pathlib import Path
from typing import Final

import yaml

LANGUAGES: Final = ("en", "de", "zh")
LANGUAGE_NAMES: Final = {"en": "English", "de": "Deutsch", "zh": "中文"}
TEXTS: Final[dict[str, dict[str, str]]] = yaml.safe_load((Path(__file__).parent / "texts.yaml").read_text("utf-8"))
"""Key -> language -> text."""


class Texts:
    """The texts of one language."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        """The text of `key`, its `{names}` replaced by `values`. Raises KeyError for an unknown key or a missing value."""
        text = TEXTS[key][self.language]
        return text.format(**values) if values else text
