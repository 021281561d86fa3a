"""Bounds of a YAML document, judged on its events before anything is built: libyaml's composer recurses once a level, and a few hundred
bytes of aliases in aliases stand for more nodes than a machine can hold."""

from dataclasses import dataclass
from typing import Any, Final

import yaml

LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_BYTES: Final = 32_000_000
"""Of a file; 100,000 channels that are written out are about half of it."""
MAX_WRITTEN: Final = 5_000_000
"""Values that may be written; each takes some hundred bytes of memory."""
MAX_DEPTH: Final = 50
MAX_NODES: Final = 20_000_000
"""Values that those written and their aliases may stand for."""
EXPANSION: Final = 4
"""Aliases may make so many nodes of one that is written."""
SMALL: Final = 100_000
"""Nodes that any document may expand to."""


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come: its anchor, and the nodes inside it so far with aliases expanded."""

    anchor: str | None
    nodes: int = 1


class TooLarge(Exception):
    """A document beyond the bounds: `what` is, on which `line` (from 1)."""

    def __init__(self, what: str, event: yaml.Event | None = None) -> None:
        super().__init__(what)
        self.what, self.line = what, event.start_mark.line + 1 if event and event.start_mark else 1


def check_bounds(text: str, most_written: int = MAX_WRITTEN) -> None:
    """Raises TooLarge, or yaml.YAMLError where the text is no YAML. Time and memory are linear in the text."""
    if len(text) > MAX_BYTES:
        raise TooLarge(f"it is longer than {MAX_BYTES:,} characters")
    written, sizes, around = 0, dict[str, int](), [_Open(None, 0)]
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.CollectionEndEvent):
            closed = around.pop()
            around[-1].nodes += closed.nodes
            if closed.anchor:
                sizes[closed.anchor] = closed.nodes
        elif isinstance(event, yaml.NodeEvent):
            written += 1
            if written > most_written:
                raise TooLarge(f"more than {most_written:,} values are written in it", event)
            if isinstance(event, yaml.CollectionStartEvent):
                around.append(_Open(event.anchor))
                if len(around) > MAX_DEPTH:
                    raise TooLarge(f"it is nested more than {MAX_DEPTH} levels deep", event)
            elif isinstance(event, yaml.AliasEvent):
                around[-1].nodes += sizes.get(event.anchor or "", 1)
            else:
                around[-1].nodes += 1
                if event.anchor:
                    sizes[event.anchor] = 1
            if around[-1].nodes > min(MAX_NODES, max(SMALL, EXPANSION * written)):
                raise TooLarge("its aliases stand for many more values than are written", event)
