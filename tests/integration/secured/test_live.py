"""A zone at a secured broker that cuts connections after ten seconds (KIP-368): each worker with a user of its own, nothing lost."""

import re

import pytest
from live_parts import wait_until
from secured_zone import Zone
from zone_runs import PARTITIONS, doctor, wait_until_complete

from zonepulse.schemas.messages.tasks import TASKS
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.demo.run import oracle_differences, readings_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]


def test_rows_are_the_oracles_and_no_worker_notices_that_connections_end(zone: Zone) -> None:
    wait_until(lambda: zone.feed.is_done, 240, "the gateway to have sent everything")
    assert zone.feed.failure is None
    wait_until_complete(zone.stack, parse_zone(zone.zone_yaml).zone, zone.feed.end_ms, 120)
    found = oracle_differences(readings_of(zone.stack.kafka), zone.client, zone.zone_yaml, PARTITIONS)
    assert {name: lines for name, lines in found.items() if lines} == {}
    zone.stack.check()
    for task in TASKS:
        log = zone.logs()[f"{task}-0"]
        opened = log.count(f"Authenticated as {task} via SCRAM-SHA-512")
        assert opened > 3, "connections were opened anew"
        assert "AuthorizationFailed" not in log
        cut = len(re.findall(r"coordinator dead|Failed fetch", log))
        assert cut <= opened / 4, "the broker cuts hardly one: only where a busy machine let seconds pass between two requests"
        assert len(re.findall("Joined group", log)) == 1, "nobody left his group"


def test_the_doctor_and_the_rules_are_content(zone: Zone) -> None:
    wait_until(lambda: zone.feed.sent > 100, 120, "the gateway to send")
    _, checks = doctor(zone.stack)
    assert [check for check in checks if check["name"] in ("broker", "topics", "registry") and check["state"] != "ok"] == []


def test_the_archive_has_what_the_gateway_sent(zone: Zone) -> None:
    wait_until(lambda: any(zone.archive.rglob("*.parquet")), 240, "a file of the archive")
