"""A hand-over: the tasks that keep a state, intervals and ledger, go on from other states, those of a run that follows the log.

It is a command (`hand_over` on `zp.commands`). The task of a partition takes over as soon as it has read it, and goes on where the state
handed over stands, so it reads some of the log again; the ledger takes over with the first block that was made so. What they make from
then on bears the hand-over in a header (HEADER), and rows of its stretch belong to its run: the live rows of before end where they are.
The way back is a hand-over of the states of before, whose rows are the live tasks' own again.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

HEADER: Final = "hand-over"
"""Of every record that a state makes which was handed over: the hand-over as JSON."""
KEPT: Final = "kept"
"""Header of every interval block since a partition's state was kept: under which name. The ledger's state is kept behind those of all
partitions, so that it has taken everything that they had made."""
REFUSED: Final = "hand-over-refused"
"""Header of every interval block of a partition that has no state to go on from by the hand-over that holds: the order of that."""
TOPICS: Final = "hand-over-"
"""How the names of the topics begin, behind the zone's prefix, in which states are handed over."""
LATEST_MS: Final = 1 << 62
_NAME: Final = re.compile(r"[0-9a-f]{8}(-before)?")
_RUN: Final = re.compile(r"[A-Za-z0-9][\w.:-]{0,63}")


class HandOver(msgspec.Struct, frozen=True):
    """Times in epoch ms. `id`: under which the states of before are kept (`before`); `state`: of those that are taken over."""

    id: str
    state: str
    run: str
    """Whose rows they are that lie in [`from_ms`, `to_ms`); `live`: nobody else's."""
    from_ms: int
    to_ms: int
    sends_alerts: bool = False
    """Whether alerts that last, and that only the states handed over know, are said anew."""
    order: int = 0
    """The ingest time of its command: of two hand-overs the later one holds. A state that none made is of order 0."""

    @property
    def before(self) -> str:
        """The name of the states that it ended."""
        return f"{self.id}-before"

    def encode(self) -> bytes:
        """As a header, or a command's target."""
        return msgspec.json.encode(self)


def order_of(hand_over: HandOver | None) -> int:
    """Of a state that was handed over by it, or by none."""
    return 0 if hand_over is None else hand_over.order


def headers_of(hand_over: HandOver | None) -> tuple[tuple[str, bytes], ...]:
    """Of a record that such a state makes."""
    return () if hand_over is None else ((HEADER, hand_over.encode()),)


def facts_of(hand_over: HandOver | None) -> dict[str, Any]:
    """Of a snapshot of such a state; plain JSON."""
    return {"hand_over": msgspec.to_builtins(hand_over)}


def hand_over_in(facts: Mapping[str, Any]) -> HandOver | None:
    """The other half of `facts_of`; snapshots of before there were any have none."""
    return msgspec.convert(facts.get("hand_over"), HandOver | None)


def is_name(text: str) -> bool:
    """Whether states can be kept or handed over under it."""
    return _NAME.fullmatch(text) is not None and not text.endswith("-before")


def kept_topic(name: str) -> str:
    """What states that are kept under this name are called among those that are handed over."""
    return f"kept-{name}"


def parse_hand_over(text: bytes | str) -> HandOver:
    """The other half of `encode`. Raises ValueError."""
    try:
        found = msgspec.json.decode(text, type=HandOver)
    except msgspec.MsgspecError as error:
        raise ValueError(f"no hand-over: {error}") from None
    if not (_NAME.fullmatch(found.id) and _NAME.fullmatch(found.state) and _RUN.fullmatch(found.run)):
        raise ValueError("a hand-over names id, state and run")
    if not (0 <= found.from_ms < found.to_ms <= LATEST_MS and 0 <= found.order <= LATEST_MS):
        raise ValueError("a hand-over's stretch begins before it ends, in epoch milliseconds")
    return found
