"""The texts of the *texts.yaml files here, of rules and detectors in one language, and texts that are their own keys."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml

from zonepulse.processors.detection.meter.rules import RULES
from zonepulse.processors.detection.watch.words import SHORT
from zonepulse.schemas.languages import Language


def _read() -> dict[str, dict[str, str]]:
    """Of all files; a key stands in one of them."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(Path(__file__).parent.glob("*texts.yaml")):
        more = yaml.safe_load(path.read_text("utf-8"))
        if twice := found.keys() & more.keys():
            raise ValueError(f"{path.name}: {', '.join(sorted(twice))} is in another file, too: one place for a text")
        found |= more
    return found


LANGUAGE_NAMES: Final[Mapping[Language, str]] = {"en": "English", "de": "Deutsch", "zh": "中文"}
TEXTS: Final[dict[str, dict[str, str]]] = {
    **_read(),
    **{rule.id: rule.short for rule in RULES},
    **SHORT,
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
