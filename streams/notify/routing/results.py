"""What became of an attempt to deliver."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Result:
    """`sent`, `failed` (worth another try) or `refused` (the receiver will never take it). `retry_after_s` as the receiver asks."""

    outcome: Literal["sent", "failed", "refused"]
    error: str = ""
    retry_after_s: float | None = None


SENT = Result("sent")
