"""What a rule about meters declares. Room, numbers, state, evidence, severity and texts of all follow from the list in rules.py."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from zonepulse.processors.kernel import kernel
from zonepulse.schemas.registry.model import Text


class Seen(NamedTuple):
    """One window that is judged, as kernels see it."""

    w: Any
    """Its sums: a record of metering.state.WINDOW."""
    value: int
    """What was booked in it, micro-units."""
    is_heard: bool
    """Covered, or behind a reading that is held: a register that is held is not silent."""
    start: int
    period: int
    """Of the register, ms."""
    length: int
    """Of the window, ms."""
    channel: int
    tick: int


class Told(NamedTuple):
    """One transition, as evidence is made of it."""

    transition: Any
    """A row of flow.TRANSITION."""
    register: str
    version: Any
    """The row of channels.table.VERSION that its value was read with."""
    max_gap_ms: int


@dataclass(frozen=True, slots=True)
class MeterRule:
    """A rule: what it remembers of a channel and what people are told. Its module holds its kernel, its docstring says what it judges."""

    id: str
    short: Text
    """A few words for screens: language -> text; en, de and zh."""
    title: Text
    """The subject of a message."""
    advice: Text
    """What to do."""
    evidence: Callable[[Told], Mapping[str, Any]]
    """What an alert says beside `register`."""
    state: tuple[tuple[str, str], ...] = ()
    """(field, numpy type of 8 bytes) of what is remembered of a channel; fields begin with a word of the rule's own."""
    unset: Mapping[str, int] = field(default_factory=dict)
    """Fields of `state` that do not begin at zero."""
    room: int = 1
    """Transitions that one judged window can make."""
    severity: str = "warning"
    is_of_reading: bool = False
    """Whether an alert begins with a reading: at the edge of two versions it was read with the one that ends."""


@kernel
def emit(
    out: Any,
    channel: int,
    rule: int,
    raised: int,
    span: tuple[int, int],
    tick: int,
    value: int,
    count: int,
    before: int = 0,
    ms: int = 0,
) -> None:
    """Append a transition of a channel over `span` = (starts_at, ends_at); `value` UNSET = none."""
    t = out.transitions[out.used[1]]
    out.used[1] += 1
    t.channel = channel
    t.rule, t.raised, t.starts_at, t.ends_at, t.tick = rule, raised, span[0], span[1], tick
    t.value, t.count, t.before, t.ms = value, count, before, ms


def windows_of(told: Told) -> Mapping[str, Any]:
    """Evidence of a rule that counts windows."""
    return {"windows": int(told.transition["count"])}
