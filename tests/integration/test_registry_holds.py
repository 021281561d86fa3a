"""A switch to a registry version that is not there stops its partition alone, named, until the version comes or the switch is skipped."""

from datetime import UTC, datetime

import pytest
from live_parts import Record, produce, wait_until
from zone_runs import doctor
from zones import ONE_METER

from zonepulse.schemas.messages.commands import Place
from zonepulse.schemas.messages.records import HEARTBEAT
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.control.command_log import skip_of, tell
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.demo.run import PREFIX, Progress
from zonepulse.streams.embedded.zone_stack import ZoneStack
from zonepulse.streams.kernels.warm_up import warm_up

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
START_MS = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1000)
TICK = START_MS // 60_000
TOPIC = f"{PREFIX}readings"


def beat(partition: int, minute: int, version: int | None = None) -> Record:
    headers = [] if version is None else [("registry", b"%d" % version)]
    return partition, None, HEARTBEAT, headers, START_MS + minute * 60_000


def test_only_the_partition_of_a_missing_version_stands_and_doctor_names_it() -> None:
    warm_up()
    with ZoneStack(3, is_simulated=True) as stack, stack.client() as client:
        publish(stack.kafka, PREFIX, parse_zone(ONE_METER), 3, timestamp_ms=START_MS)
        stack.start_workers()
        progress = Progress(stack.kafka, 3)
        produce(stack.kafka, TOPIC, [beat(p, 10) for p in range(3)])
        produce(stack.kafka, TOPIC, [beat(0, 11, 2), beat(1, 11, 7)])  # offset 2 of partitions 0 and 1
        produce(stack.kafka, TOPIC, [beat(p, 20) for p in range(3)])

        def through() -> list[int]:
            progress.closed_tick()
            return [progress.through[p] - TICK for p in range(3)]

        wait_until(lambda: through() == [10, 10, 20], 120, "partition 2 alone to go on")
        raised = "SELECT count() FROM alerts_final WHERE rule = 'ops_registry_missing' AND ends_at IS NULL"
        wait_until(lambda: client.query(raised).first_row == (2,), 60, "two alerts")
        code, checks = doctor(stack)
        failed = [check for check in checks if check["state"] == "fail"]
        assert code == 1
        assert [check["name"] for check in failed] == ["partitions", "partitions"]
        assert "zp.readings/0 stands before offset 2" in failed[0]["found"] and "registry version 2" in failed[0]["found"]
        assert "zonepulse skip zp.readings 1 2" in failed[1]["found"] and "registry version 7" in failed[1]["found"]
        assert [check["state"] for check in checks if check["name"] == "ops alerts"] == ["warn"]

        assert publish(stack.kafka, PREFIX, parse_zone(ONE_METER + "# again\n"), 3, timestamp_ms=START_MS + 21 * 60_000) == 2
        wait_until(lambda: through() == [21, 10, 21], 60, "partition 0 to go on with the version that came")
        tell(stack.kafka, PREFIX, skip_of(Place("readings", 1, 2), "there is no version 7"), START_MS)
        produce(stack.kafka, TOPIC, [beat(p, 30) for p in range(3)])
        wait_until(lambda: through() == [30, 30, 30], 60, "every partition to go on")
        wait_until(lambda: client.query(raised).first_row == (0,), 60, "no alert any more")
        letters = "SELECT reason, partition, offset FROM dead_letters_final"
        wait_until(lambda: client.query(letters).result_rows == [("poison", 1, 2)], 60, "the skipped switch as a letter")
        code, checks = doctor(stack)
        assert (code, [check for check in checks if check["state"] == "fail"]) == (0, [])
        assert stack.supervisor.deaths == []
        progress.close()
