"""How much one JSON text may hold. An empty list is two bytes of text and a hundred of memory, so lists and objects are counted before any
is made."""

from typing import Final

MOST_BRACKETS: Final = 250_000
"""Lists and objects of one record. What is honest has about 80 bytes for each."""


def brackets(text: bytes) -> int:
    """The opening brackets in a text, those inside strings included."""
    return text.count(b"[") + text.count(b"{")


def check_brackets(*texts: bytes) -> None:
    """Raises ValueError where the texts of one record hold more than may be."""
    if sum(map(len, texts)) > MOST_BRACKETS and (found := sum(map(brackets, texts))) > MOST_BRACKETS:
        raise ValueError(f"{found} lists and objects, more than {MOST_BRACKETS}")
