"""`subscribers:` of zone.yaml: what is read, and every mistake with its line and remedy."""

import pytest
from zones import small, zone

from zonepulse.schemas.problems import RegistryError
from zonepulse.schemas.registry.subscribers import Subscriber, of_plain
from zonepulse.schemas.zone_file.read import parse_zone

FULL = """
subscribers:
  - id: desk
    to: ["mailto:desk@plant.example", channel:ops-robot, webhook:erp]
    company: a
    only: {companies: [a], sites: [s], rules: ["ops_*", stuck], impact_kg: 2.5}
    severity: critical
    language: zh
    timezone: Europe/Berlin
    quiet: ["22:00", "07:30"]
    digest: daily
    digest_at: "06:15"
    rate_per_hour: 5
    escalate: {to: boss, after: 30m}
  - {id: boss, to: [channel:ops-robot], send_resolved: false}
"""


def test_every_key_is_read() -> None:
    desk, boss = (of_plain(one) for one in zone(more=FULL).extra["subscribers"])
    assert desk == Subscriber(
        "desk", ("mailto:desk@plant.example", "channel:ops-robot", "webhook:erp"), "a", ("a",), ("s",), ("ops_*", "stuck"), "critical", 2.5,
        "zh", "Europe/Berlin", 1_320, 450, "daily", 375, 5, "boss", 1_800_000,
    )  # fmt: skip
    assert boss == Subscriber("boss", ("channel:ops-robot",), send_resolved=False)


@pytest.mark.parametrize(("old", "new", "told"), [
    ("id: desk", "name: desk", "`id` is missing"),
    ("company: a\n", "company: x\n", "unknown company 'x'"),
    ("sites: [s]", "sites: [x]", "only.sites[0]: unknown site 'x'"),
    ("to: boss", "to: bos", "did you mean"),
    ("to: boss", "to: desk", "escalate.to: unknown subscriber 'desk'"),
    ("severity: critical", "severity: loud", "loud"),
    ("language: zh", "language: fr", "fr"),
    ('"22:00", "07:30"', '"22:00"', "two different times"),
    ('"06:15"', '"6:15"', "no time of day"),
    ("mailto:desk@plant.example", "desk@plant.example", "is no channel"),
    ("channel:ops-robot, ", "channel:Ops Robot, ", "is no channel's name"),
    ("rate_per_hour: 5", "rate_per_hour: 0", "at least one message an hour"),
    ("after: 30m", "after: 5s", "at least one minute"),
    ("id: boss", "id: desk", "stands twice"),
    ("digest: daily", "digests: daily", "unknown key"),
    ("send_resolved: false", "send_resolved: never", "true or false"),
])  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_a_remedy(old: str, new: str, told: str) -> None:
    assert old in FULL
    with pytest.raises(RegistryError) as refused:
        parse_zone(small(more=FULL.replace(old, new, 1)))
    found = [str(problem) for problem in refused.value.problems]
    assert any(told in line and line.startswith("zone.yaml:") for line in found), found
