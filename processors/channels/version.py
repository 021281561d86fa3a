"""table.VERSION as kernels see it. A test compares the fields: numpy's dtypes tell mypy none."""

from typing import Protocol

from zonepulse.processors.flow import Records


class Version(Protocol):
    """One version of a channel."""

    valid_from: int
    valid_to: int
    scale: float
    num: int
    den: int
    modulus: int
    power: int
    rise_per_ms: float
    period: int
    offset: int
    on_reset: int
    stamp: int
    kind: int
    series: int
    partition: int
    unit: int
    detect: int
    sign: int
    stretch: int


Versions = Records[Version]
