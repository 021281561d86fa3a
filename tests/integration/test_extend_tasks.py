"""A kind of worker is its module and its place in the list: help, checkpoints, doctor and whatever starts or kills workers know it."""

from pathlib import Path
from uuid import uuid4

import pytest
from extended import Extended
from patience import patience_s
from zones import SMALL

from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.embedded.kafka.broker import Broker
from zonepulse.streams.kafka.topics_admin import ensure_topics

pytestmark = pytest.mark.integration
SPOOL = '''
"""spool: passes over readings."""

from faust.types import TP

from zonepulse.streams.control.outfit import Outfit
from zonepulse.streams.health.quarantine import Quarantine
from zonepulse.streams.kafka.app import Outbox
from zonepulse.streams.kafka.batch_channel import batch_channel
from zonepulse.schemas.messages.tasks import TASKS


class Spool:
    commands = pulse = batches = None

    def __init__(self, outfit):
        self.quarantine = Quarantine(Outbox(outfit.app), outfit.settings.topic_prefix, outfit.metrics)
        self.at = {}

    def positions(self):
        return dict(self.at)


def start(outfit: Outfit) -> None:
    task = Spool(outfit)
    task.batches = batches = batch_channel(outfit.app, TASKS["spool"].topics(outfit.settings.topic_prefix))

    async def take(stream):
        async for batch in batches.receive(stream):
            now = {TP(batch.topic, batch.partition): batch.next_offset}
            await batches.commit(now)
            task.at.update(now)

    outfit.app.agent(batches.channel, name="spool")(take)
    outfit.fit(task)
'''
KNOWN = """
import json, os
from pathlib import Path
from typer.testing import CliRunner
from zonepulse.streams.chaos.parts import WORKERS
from zonepulse.streams.cli.main import app
from zonepulse.streams.demo.run import WORKER_GROUPS
from zonepulse.streams.embedded.zone_stack import ZoneStack

class Listed(ZoneStack):
    started = ()
    def start_worker(self, task, instance="0", extra=None):
        self.started += (task,)

os.environ["COLUMNS"] = "80"
stack = Listed(1, Path("stack"))
stack.start_workers()
help = {name: CliRunner().invoke(app, [*name.split(), "--help"]).output for name in ("", "worker", "checkpoints begin")}
print(json.dumps({"help": help, "started": stack.started, "groups": WORKER_GROUPS, "chaos": WORKERS}))
"""
RUN = """
import json, subprocess, sys, time
from zonepulse.streams import servers
from zonepulse.streams.cli.checkpoints import places, views
from zonepulse.streams.cli.doctor.workers import workers

settings = servers.settings()
found = lambda: places("spool", views(settings)["spool"])[0]
before = found()
first = next(workers(settings))
with subprocess.Popen([sys.executable, "-m", "zonepulse.streams.cli.main", "worker", "spool"]) as worker:
    end = time.monotonic() + PATIENCE_S
    while found()["committed"] != before["log_end"] and worker.poll() is None and time.monotonic() < end:
        time.sleep(0.2)
    place, then = found(), next(workers(settings))
    worker.terminate()
print(json.dumps({"before": before, "place": place, "code": worker.returncode, "first": first._asdict(), "then": then._asdict()}))
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Extended:
    tree = Extended(tmp_path_factory.mktemp("task"))
    tree.add("streams/workers/spool.py", SPOOL)
    archive = '    Task(\n        "archive",\n'
    tree.alter("schemas/messages/tasks.py", (archive, '    Task("spool", "workers.spool", (READINGS,)),\n' + archive))
    assert len(tree.files) == 2
    return tree


def test_whatever_lists_starts_or_kills_workers_knows_it(tree: Extended) -> None:
    found = tree.run(KNOWN)
    assert "Run a worker: intervals, ledger, store, notify, spool or ..." in found["help"][""]
    assert "intervals, ledger, store, notify, spool or archive" in found["help"]["worker"]
    assert "intervals, ledger, store, notify or spool" in found["help"]["checkpoints begin"]
    assert found["started"] == ["intervals", "ledger", "store", "spool"]
    assert found["groups"] == ["zp.intervals", "zp.ledger", "zp.store", "zp.spool"]
    assert found["chaos"] == [["intervals", 2], ["ledger", 2], ["store", 1], ["spool", 1]]


def test_its_worker_runs_and_doctor_and_checkpoints_see_it(tree: Extended, broker: Broker, tmp_path: Path) -> None:
    prefix = f"z{uuid4().hex[:8]}."
    ensure_topics(broker.bootstrap, prefix, 1)
    publish(broker.bootstrap, prefix, parse_zone(SMALL), 1)
    settings = {"BROKER": broker.bootstrap, "TOPIC_PREFIX": prefix, "PARTITIONS": "1", "DATA_DIR": str(tmp_path)}
    program = RUN.replace("PATIENCE_S", str(patience_s(30)))
    found = tree.run(program, **{f"ZONEPULSE_{name}": value for name, value in settings.items()})
    assert found["before"]["found"] == "never begun"
    assert (found["place"]["committed"], found["place"]["found"]) == (found["before"]["log_end"], "ok")
    assert found["before"]["log_end"] > 0
    assert (found["first"]["found"], found["first"]["state"]) == ("none runs", "warn")
    assert "TASK being intervals, ledger, store, spool" in found["first"]["remedy"]
    assert found["then"]["found"] == "none of intervals, ledger, store holds its partitions now"
    assert found["code"] == 0
