"""A set of windows as ranges."""

from bisect import bisect_right


class Spans:
    """Ranges [first, stop) in order, none touching another."""

    def __init__(self) -> None:
        self._spans: list[tuple[int, int]] = []

    def __contains__(self, window: int) -> bool:
        at = bisect_right(self._spans, (window, 1 << 62)) - 1
        return at >= 0 and self._spans[at][0] <= window < self._spans[at][1]

    def add(self, first: int, stop: int) -> list[int]:
        """Add [first, stop); the windows that are new."""
        if first >= stop:
            return []
        near = [span for span in self._spans if span[0] <= stop and first <= span[1]]
        found: list[int] = []
        at = first
        for a, b in near:
            found += range(at, min(a, stop))
            at = max(at, b)
        found += range(at, stop)
        rest = [span for span in self._spans if span not in near]
        self._spans = sorted([*rest, (min([first, *(a for a, _ in near)]), max([stop, *(b for _, b in near)]))])
        return found
