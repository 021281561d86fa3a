"""Connections of aiokafka 0.14 that end by themselves before the broker cuts them: the only file that touches its private names for it.

A broker with `connections.max.reauth.ms` (managed Kafkas: an hour) says with each authentication how long it holds, and closes a
connection that is used for longer (KIP-368). kafka-python authenticates again; aiokafka does not, and meets a broken connection amid a
fetch, a heartbeat or a record on its way. Here a connection that has used up most of its time, and waits for no answer, is given up before
its next request: the client opens another one, as it does after any idle time.
"""

import time
from typing import Any, Final

from aiokafka import conn
from aiokafka.protocol.admin import SaslAuthenticateRequest

USED: Final = 0.7
"""Of its time. What is left is for answers that are waited for."""


class RenewedConnection(conn.AIOKafkaConnection):  # type: ignore[misc]
    """One that is not connected any more, as far as the client sees, when its time is nearly over."""

    _ends_s: float | None = None
    """On the monotonic clock; None: the broker set no limit."""

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """As before; an answer to an authentication says how long it holds."""
        answer = super().send(request, expect_response)
        return self._heed(answer) if isinstance(request, SaslAuthenticateRequest) else answer

    async def _heed(self, answer: Any) -> Any:
        said = await answer
        if lifetime_ms := getattr(said, "session_lifetime_ms", 0):
            self._ends_s = time.monotonic() + USED * lifetime_ms / 1000
        return said

    def connected(self) -> bool:
        """Whether a request may be sent on it."""
        if self._ends_s is not None and time.monotonic() >= self._ends_s and not self._requests and super().connected():
            self.close(reason=conn.CloseReason.IDLE_DROP)
        return bool(super().connected())


def renew_connections() -> None:
    """From now on every aiokafka client of this process has such connections."""
    conn.AIOKafkaConnection = RenewedConnection
