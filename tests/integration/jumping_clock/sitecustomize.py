"""On PYTHONPATH of a worker, its host's clock jumps: two days ahead after three seconds, three days back after three more."""

import time

_DAY_S = 86_400
_begun, _time, _time_ns = time.monotonic(), time.time, time.time_ns


def _ahead_s() -> int:
    ran_s = time.monotonic() - _begun
    return 0 if ran_s < 3 else 2 * _DAY_S if ran_s < 6 else -_DAY_S


time.time = lambda: _time() + _ahead_s()
time.time_ns = lambda: _time_ns() + _ahead_s() * 1_000_000_000
