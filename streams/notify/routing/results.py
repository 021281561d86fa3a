"""What became of an attempt to deliver."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Result:
    """`sent`, `failed` (worth another try) or `refused` (the receiver will never take it). `retry_after_s` as the receiver asks."""

    outcome: Literal["sent", "failed", "refused"]
    error: str = ""
    retry_after_s: float | None = None
    is_asked: bool = True
    """Whether the receiver was asked at all; else the failure is ours, and says nothing of it."""


SENT = Result("sent")
