"""A zone of 100,000 channels is published, in bounded memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from zone_sizes import many_channels

from zonepulse.schemas.zone_file.bounds import MAX_BYTES
from zonepulse.streams.control.registry_topic import load_versions
from zonepulse.streams.embedded.kafka.broker import Broker

pytestmark = pytest.mark.integration
SCRIPT = Path(__file__).parents[1] / "hostile_files.py"
CHANNELS = 100_000


def test_a_hundred_thousand_channels_are_applied_and_a_longer_file_is_refused(tmp_path: Path) -> None:
    zone, longer = tmp_path / "zone.yaml", tmp_path / "longer.yaml"
    zone.write_text(many_channels(CHANNELS))
    longer.write_text(many_channels(CHANNELS * (1 + MAX_BYTES // zone.stat().st_size)))
    broker = Broker(tmp_path / "kafka")
    broker.start()
    try:
        settings = os.environ | {"ZONEPULSE_BROKER": broker.bootstrap, "ZONEPULSE_PARTITIONS": "4"}
        commands = json.dumps([["registry", "apply", str(path)] for path in (longer, zone)])
        subprocess.run([sys.executable, str(SCRIPT), str(tmp_path), commands], env=settings, check=True)
        refused, applied = map(json.loads, (tmp_path / "ends.jsonl").read_text().splitlines())
        assert refused["code"] == 2 and "32,000,000" in refused["told"] and refused["raised"] is None
        assert applied["code"] == 0, applied["told"]
        assert refused["cpu_s"] < applied["cpu_s"] / 4 and refused["peak"] < 500 << 20
        assert applied["peak"] < 4 << 30
        (registry,) = load_versions(broker.bootstrap, "zp.registry").values()
        assert sum(len(meter.registers) for meter in registry.meters) == CHANNELS
    finally:
        broker.stop()
