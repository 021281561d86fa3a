"""A zone at a secured broker that cuts every connection after ten seconds (KIP-368): each worker with its own user, nothing lost."""

import re
import subprocess
import sys

import pytest
from live_parts import wait_until
from secured_zone import Zone
from zone_runs import PARTITIONS, doctor, wait_until_complete

from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.demo.run import oracle_differences, readings_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]


def test_rows_are_the_oracles_although_connections_are_cut_again_and_again(zone: Zone) -> None:
    wait_until(lambda: zone.feed.is_done, 240, "the gateway to have sent everything")
    assert zone.feed.failure is None
    wait_until_complete(zone.stack, parse_zone(zone.zone_yaml).zone, zone.feed.end_ms, 120)
    found = oracle_differences(readings_of(zone.stack.kafka), zone.client, zone.zone_yaml, PARTITIONS)
    assert {name: lines for name, lines in found.items() if lines} == {}
    zone.stack.check()
    for name, log in zone.logs().items():
        print(name, log[-3000:])
    print(zone.stack.broker.log_tail(100))
    assert 0
