"""A published registry puts its names into the store, where the dashboards look them up."""

from collections.abc import Iterator, Sequence

import pytest
from live_parts import wait_until
from zones import EXAMPLE

from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.embedded.zone_stack import ZoneStack

pytestmark = pytest.mark.integration
NEWEST = "SELECT version, company, name_en, name_zh FROM registry_companies_final WHERE zone = 'taicang'"
METERS = """
SELECT count(), uniqExact(meter), toBool(min(valid_from) < now()), max(valid_to) FROM registry_meters_final WHERE zone = 'taicang'"""


@pytest.fixture(scope="module")
def stack() -> Iterator[ZoneStack]:
    with ZoneStack(1) as stack:
        yield stack


def test_names_are_in_the_store_after_publishing_and_follow_the_newest_version(stack: ZoneStack) -> None:
    assert publish(stack.kafka, "zp.", parse_zone(EXAMPLE), 1) == 1
    worker = stack.start_worker("store")
    with stack.client() as client:

        def names() -> list[Sequence[object]]:
            return list(client.query(NEWEST).result_rows)

        wait_until(lambda: names() == [(1, "steelworks", "Steelworks Ltd", "钢铁公司")], 40, "the first version's names stored")
        wait_until(lambda: client.query(METERS).first_row == (4, 2, True, None), 20, "its registers stored")
        assert publish(stack.kafka, "zp.", renamed("New Steelworks"), 1) == 2
        wait_until(lambda: names() == [(2, "steelworks", "New Steelworks", "钢铁公司")], 20, "the second version's names stored")

        stack.supervisor.forget(worker)
        worker.stop()
        assert publish(stack.kafka, "zp.", renamed("Newer Steelworks"), 1) == 3
        worker.start()
        wait_until(lambda: names() == [(3, "steelworks", "Newer Steelworks", "钢铁公司")], 40, "the third stored by a new worker")
        assert client.query(
            "SELECT version, count() FROM registry_companies FINAL GROUP BY version ORDER BY version"
        ).result_rows == [
            (1, 1),
            (2, 1),
            (3, 1),
        ]
    worker.stop()


def renamed(name: str) -> Registry:
    return parse_zone(EXAMPLE.replace("Steelworks Ltd", name))
