"""Alerts about the pipeline itself (prefix `ops_`): they follow the wall clock, which callers pass in, and are no part of the ledger."""

from typing import Any

from zonepulse.processors.detection.rules import Alert


class NoData:
    """`ops_no_data`: meters are expected and not one of them reports. A quiet zone and a dead pipeline must not look the same."""

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self._since: int | None = None

    def judge(self, is_silent: bool, now_ms: int) -> list[dict[str, Any]]:
        """Transitions (rows of table `alerts`) at `now_ms`."""
        if is_silent == (self._since is not None):
            return []
        since = now_ms if self._since is None else self._since
        self._since = since if is_silent else None
        state, ends_at = ("raised", None) if is_silent else ("resolved", now_ms)
        return [Alert(self._zone, "ops_no_data", {}, "critical", state, since, now_ms, {}, ends_at).row()]
