"""Zones of any number of channels."""

from zones import SMALL

_REGISTER = '      "{}.8.0": {{carrier: electricity, direction: {}, kind: cumulative, unit: kWh, max_power: 100, period: 15m}}\n'
_REGISTERS = _REGISTER.format(1, "import") + _REGISTER.format(2, "export")


def many_channels(n: int) -> str:
    """A zone.yaml of so many channels, written out."""
    meters = "".join(f"  - id: m{i}\n    site: s\n    role: main\n    registers:\n{_REGISTERS}" for i in range(n // 2))
    return SMALL[: SMALL.index("meters:")].replace("zone: {", "zone: {key: meter, ") + "meters:\n" + meters
