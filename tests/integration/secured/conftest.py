"""One secured zone for all files here, whose broker cuts every connection after ten seconds that did not authenticate anew."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from secured_zone import REAUTH_S, TOKENS, Zone
from zone_runs import PARTITIONS

from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.demo.data import demo_sample, demo_zone_yaml
from zonepulse.streams.demo.run import PREFIX, Feed
from zonepulse.streams.embedded.zone_stack import ZoneStack
from zonepulse.streams.kernels.warm_up import warm_up

UNTIL_MS = int(datetime(2026, 3, 20, tzinfo=UTC).timestamp() * 1000)
DAYS = 1
SENT_IN_S = 25
"""The sample's time is sent in so long: each connection is cut several times."""


@pytest.fixture(scope="session")
def zone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zone]:
    sample = demo_sample(UNTIL_MS, DAYS, 2026)
    zone_yaml = demo_zone_yaml(UNTIL_MS, DAYS, 2026)
    registry = parse_zone(zone_yaml)
    archive = tmp_path_factory.mktemp("archive")
    warm_up()
    settings = f"connections.max.reauth.ms={REAUTH_S * 1000}\n{TOKENS}"
    with ZoneStack(PARTITIONS, is_simulated=True, secured=True, broker_settings=settings) as stack, stack.client() as client:
        security = stack.broker.security
        assert security is not None
        publish(stack.kafka, PREFIX, registry, PARTITIONS, timestamp_ms=int(sample.arrival_ms[0]))
        stack.start_workers()
        stack.start_notify()
        stack.start_worker("archive", extra={"ZONEPULSE_ARCHIVE": str(archive), "ZONEPULSE_ARCHIVE_AGE_S": "5"})
        feed = Feed(security.address("gateway"), sample, PARTITIONS, registry.zone, DAYS * 86_400 / SENT_IN_S)
        feed.start()
        try:
            yield Zone(stack, security, client, zone_yaml, sample, feed, archive)
        finally:
            feed.stop()
