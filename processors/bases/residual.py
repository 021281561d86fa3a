"""flow_residual: a network solve that left over more than rounding explains (schemas/messages/alerts.py is the contract)."""

from typing import Any, Final, NamedTuple

from zonepulse.processors.detection.rules import Alert

RULE: Final = "flow_residual"
_RESIDUAL_MG: Final = 1_000
_RESIDUAL_SHARE: Final = 1_000_000
"""A residual above 1 g and above a millionth of the sources' carbon is worth an alert."""


class Residual(NamedTuple):
    """What a window's network solve left over, where that changed: mg, of the sources' mg."""

    start: int
    residual_mg: int
    source_mg: int

    @property
    def is_breach(self) -> bool:
        """Whether it is more than rounding explains."""
        return self.residual_mg > max(_RESIDUAL_MG, self.source_mg // _RESIDUAL_SHARE)


class Residuals:
    """The alert of a zone."""

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self.since: int | None = None
        """Start of the window that it was raised for."""

    def judge(self, found: list[Residual], tick: int) -> list[dict[str, Any]]:
        """Transitions at `tick`."""
        alerts = []
        for one in sorted(found):
            if one.is_breach and self.since is None:
                self.since = one.start
                alerts.append(self._alert(one, self.since, None, tick))
            elif not one.is_breach and self.since is not None and one.start > self.since:
                alerts.append(self._alert(one, self.since, one.start, tick))
                self.since = None
        return alerts

    def _alert(self, found: Residual, since: int, ends_at: int | None, tick: int) -> dict[str, Any]:
        state = "raised" if ends_at is None else "resolved"
        evidence = {"residual_mg": found.residual_mg, "source_mg": found.source_mg}
        return Alert(self._zone, RULE, {}, "warning", state, since, tick, evidence, ends_at).row()
