"""Readings that were refused, shown to people."""

from zonepulse.schemas.values import visible
from zonepulse.streams.files.refusals import Refusals
from zonepulse.streams.screen import count, say


def show_refused(refused: Refusals, *, err: bool = False) -> None:
    """Readings that were refused: reasons counted, with an example and a remedy each; nothing where there are none."""
    for reason, readings, example, remedy in refused.rows():
        say(f"refused as {reason}: {count(readings)}, such as {visible(example)}" + (f"; {remedy}" if remedy else ""), err=err)
