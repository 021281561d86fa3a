"""Short messages for robots and phones: cut by bytes or characters, what matters first, never refused whole. Pure.

Names are foreign text, and robots read markup of their own (`<@everyone>`, `[text](address)`, `*bold*`): its marks become their full-width
twins, which no robot reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zonepulse.streams.notify.messages.views import View
from zonepulse.streams.notify.messages.words import Words

_MARKUP: Final = str.maketrans("<>[]()*_`~|@#&\\", "＜＞［］（）＊＿｀～｜＠＃＆＼")
SIGNATURE: Final = "zonepulse"
"""In every message: the keyword that a DingTalk robot wants."""


@dataclass(frozen=True, slots=True)
class Brief:
    """A message in pieces: a heading, one text an alert, and what always stands at its end."""

    heading: str
    alerts: tuple[str, ...]
    hidden: int
    """Alerts that the message is about and does not show."""
    tail: str
    more: str
    """`and {count} more` in the reader's language, with a link where there is one."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How long a body may be: bytes of UTF-8, or characters."""

    most: int
    is_bytes: bool

    def fits(self, text: str) -> bool:
        """Whether a text is short enough."""
        return (len(text.encode()) if self.is_bytes else len(text)) <= self.most


def flat(text: str) -> str:
    """Without any robot's markup."""
    return text.translate(_MARKUP)


def brief(heading: str, views: Sequence[View], hidden: int, zone: str, stop: str, words: Words, board: str = "") -> Brief:
    """The pieces; `stop` says how to end the messages, `board` is where all alerts stand."""
    return Brief(
        heading=flat(heading),
        alerts=tuple(_alert(one, words) for one in views),
        hidden=hidden,
        tail=f"{SIGNATURE} · {flat(zone)}" + (f"\n{stop}" if stop else ""),
        more=words("and {count} more") + (f"{words.colon}{board}/alerts" if board else ""),
    )


def _alert(one: View, words: Words) -> str:
    c = words.colon
    lines = [f"{one.mark} {one.state or one.severity}{c}{one.title}", f"{words('Where')}{c}{flat(one.where)}"]
    lines.append(f"{words('Since')}{c}{one.since}{words.aside(one.lasted)}")
    lines += [
        f"{words(label)}{c}{flat(text)}"
        for label, text in (("Until", one.ended), ("Seen", one.seen), ("Expected", one.expected))
        if text
    ]
    lines += [f"{words('Impact')}{c}{one.impact}"] if one.impact else []
    lines += [f"{words('Cost')}{c}{flat(one.cost)}"] if one.cost else []
    lines += [f"{words('Acknowledge')}{c}{one.links.acknowledge}"] if one.links.acknowledge and not one.is_over else []
    return "\n".join(lines)


def fit(pieces: Brief, limit: Limit) -> str:
    """As many alerts as fit, the first first, then how many there are besides; the first one is shortened rather than left out."""
    for shown in range(len(pieces.alerts), 0, -1):
        text = _joined(pieces, pieces.alerts[:shown])
        if limit.fits(text):
            return text
    shortest = _joined(pieces, ())
    if pieces.alerts and limit.fits(shortest):
        first = pieces.alerts[0]
        low, high = 0, len(first)
        while low < high:
            middle = (low + high + 1) // 2
            if limit.fits(_joined(pieces, (first[:middle] + "…",), 1)):
                low = middle
            else:
                high = middle - 1
        return _joined(pieces, (first[:low] + "…",), 1) if low else shortest
    return cut(shortest, limit)


def cut(text: str, limit: Limit) -> str:
    """The beginning of a text, at a character's edge."""
    if limit.fits(text):
        return text
    if limit.is_bytes:
        return text.encode()[: limit.most].decode("utf-8", "ignore")
    return text[: limit.most]


def _joined(pieces: Brief, alerts: Sequence[str], shown: int | None = None) -> str:
    count = len(pieces.alerts) + pieces.hidden - (len(alerts) if shown is None else shown)
    rest = [pieces.more.replace("{count}", str(count))] if count else []
    heading = [pieces.heading] if pieces.heading else []
    return "\n\n".join([*heading, *alerts, *rest, pieces.tail])
