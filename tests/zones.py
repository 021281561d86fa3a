"""Small zones for tests: a complete one to change a line of, and the contract's example."""

from pathlib import Path

from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.zone_file.read import parse_zone

SNAPSHOTS = Path(__file__).parent / "unit" / "snapshots"
EXAMPLE = (SNAPSHOTS / "zone.example.yaml").read_text(encoding="utf-8")
SMALL = """\
zone: {id: z, timezone: Asia/Shanghai, factor_regions: [CN-JS, CN]}
companies:
  - {id: a}
  - {id: b}
sites:
  - {id: s, company: a, node: n}
  - {id: s2, company: b}
meters:
  - id: M
    site: s
    role: main
    registers:
      "1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000000}
    valid_from: 2024-01-01
"""


def small(*changes: tuple[str, str], more: str = "") -> str:
    """SMALL with each (old, new) replaced, which must occur, and `more` appended."""
    text = SMALL
    for old, new in changes:
        assert old in text, f"{old!r} is not in the zone"
        text = text.replace(old, new)
    return text + more


def zone(*changes: tuple[str, str], more: str = "") -> Registry:
    """The registry of `small`."""
    return parse_zone(small(*changes, more=more))


ONE_METER = """\
zone: {id: z, timezone: UTC, factor_regions: [CN-JS, CN], key: meter}
companies: [{id: a}]
sites: [{id: sa, company: a}]
meters:
  - id: M-1
    site: sa
    role: main
    registers: {"1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000000}}
"""
"""A zone with one register that may advance by a million kWh an hour."""
