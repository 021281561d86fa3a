"""What advice says, in the zone's three languages."""

import string
from importlib.resources import files
from typing import Any, Final

import yaml

from zonepulse.processors.advice.hours import Said
from zonepulse.schemas.registry.model import Text

ADVICE_TEXTS: Final[dict[str, Text]] = yaml.safe_load(
    (files("zonepulse.streams.efficiency") / "advice_texts.yaml").read_text("utf-8")
)
"""Key -> language -> text."""
_COMMA: Final = frozenset(("de",))
"""Languages that write a decimal comma."""


class AdviceWords(string.Formatter):
    """One reader's."""

    def __init__(self, language: str) -> None:
        self._language = language

    def __call__(self, key: str, *about: Any) -> str:
        """The text of a key, with what it names."""
        return self.vformat(ADVICE_TEXTS[key][self._language], about, {})

    def said(self, one: Said) -> str:
        """A reason."""
        return self(one.why, *one.about)

    def format_field(self, value: Any, format_spec: str) -> str:
        """Numbers as the reader writes them."""
        text = format(value, format_spec)
        return text.replace(".", ",") if isinstance(value, float) and self._language in _COMMA else text
