"""The last 24 hours as a picture: readings as steps, what was expected as a band with dashed edges, the alert's span hatched. Pure.

Made for a phone: 560 pixels wide at its size, dark on white, nothing said by colour alone. Numbers and times are the reader's.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from zonepulse.streams.notify.messages.words import Words
from zonepulse.streams.notify.routing.times import local

DAY_MS: Final = 86_400_000
WIDTH_IN, HEIGHT_IN, DPI = 4.0, 2.5, 280
"""Twice the pixels that it is shown with: sharp on a phone, where its letters are as large as the text beside it."""
FONTS: Final = ("Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "DejaVu Sans")
FONT_FILES: Final = ("notosanscjk", "wqy-")
FONT_FOLDERS: Final = ("/usr/share/fonts", "/usr/local/share/fonts")
_INK: Final = "#1b2733"


@dataclass(frozen=True, slots=True)
class History:
    """Windows before and in an alert: begin (epoch ms), value (None: not known), length; and what was expected of one."""

    starts_ms: Sequence[int]
    values: Sequence[float | None]
    length_ms: int
    unit: str
    low: float | None = None
    high: float | None = None


def draw(history: History, begin_ms: int, end_ms: int, words: Words) -> bytes:
    """A PNG; empty where there is nothing to show. The alert lasts from `begin_ms` to `end_ms`."""
    if not any(value is not None for value in history.values):
        return b""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.14, 0.13, 0.84, 0.74))
    last = history.starts_ms[-1] + history.length_ms
    first = min(history.starts_ms[0], last - DAY_MS)
    _band(axes, history, first, last)
    axes.axvspan(max(first, begin_ms), min(last, max(end_ms, begin_ms + history.length_ms)), facecolor="none", edgecolor="#a4161a",
                 hatch="///", linewidth=1.0, alpha=0.55)  # fmt: skip
    _steps(axes, history)
    axes.set_xlim(first, last)
    axes.xaxis.set_major_locator(MultipleLocator(DAY_MS / 4, offset=-_offset_ms(first, words)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: words.short_moment(round(at), round(at))))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: words.number(float(value))))
    title = f"{history.unit} · {words('The last 24 hours')}"
    fonts = fonts_with(title)
    axes.set_title(title if fonts else history.unit, loc="left", fontfamily=fonts or ["sans-serif"], fontsize=10, color=_INK)
    axes.tick_params(labelsize=9, colors=_INK)
    axes.grid(axis="y", color="#d5dce2", linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _band(axes: Any, history: History, first: int, last: int) -> None:
    low, high = history.low, history.high
    if low is not None and high is not None:
        axes.axhspan(low, high, facecolor="#dbe7f0", edgecolor="none", zorder=0)
    for edge in (low, high):
        if edge is not None:
            axes.hlines(edge, first, last, colors="#12507b", linestyles="dashed", linewidth=1.2)


def _steps(axes: Any, history: History) -> None:
    """Each window a level stroke; a window without a value is a gap, marked below."""
    edges = [*history.starts_ms, history.starts_ms[-1] + history.length_ms]
    values = [float("nan") if value is None else value for value in history.values]
    axes.stairs(values, edges, baseline=None, color=_INK, linewidth=1.8)
    known = [value for value in history.values if value is not None]
    low, high = (
        min([*known, *(e for e in (history.low,) if e is not None)]),
        max([*known, *(e for e in (history.high,) if e is not None)]),
    )
    space = (high - low or abs(high) or 1.0) * 0.1
    axes.set_ylim(low - space if low else -space * 0.4, high + space)
    gaps = [start for start, value in zip(history.starts_ms, history.values, strict=True) if value is None]
    bottom = axes.get_ylim()[0]
    axes.plot(
        [start + history.length_ms / 2 for start in gaps], [bottom] * len(gaps), "x", color="#a4161a", markersize=4, clip_on=False
    )


@cache
def _look_for_fonts() -> None:
    """Fonts that were installed after matplotlib had written down what there is."""
    from matplotlib import font_manager

    known = {font.fname for font in font_manager.fontManager.ttflist}
    for path in font_manager.findSystemFonts(FONT_FOLDERS):
        if path not in known and Path(path).name.lower().startswith(FONT_FILES):
            font_manager.fontManager.addfont(path)


def fonts_with(text: str, names: Sequence[str] = FONTS) -> list[str]:
    """Those of the fonts that this machine has, if they can write the text between them; else none."""
    from matplotlib import font_manager

    _look_for_fonts()
    there = {font.name: font.fname for font in font_manager.fontManager.ttflist if font.name in names}
    drawn = {code for path in there.values() for code in font_manager.get_font(path).get_charmap()}
    return [name for name in names if name in there] if drawn.issuperset(map(ord, text)) else []


def _offset_ms(at_ms: int, words: Words) -> int:
    offset = local(at_ms, words.timezone).utcoffset()
    return round(offset.total_seconds() * 1000) % (DAY_MS // 4) if offset else 0
