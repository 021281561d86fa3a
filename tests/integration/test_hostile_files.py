"""Files of another hand given to the commands that send, publish and survey them: a named mistake, in little time and memory."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hostile_files import BOMBS, MADE, ONE, ZONES
from patience import patience_s, slowness
from zones import zone

from zonepulse.streams.control.registry_topic import load_versions, publish, read_to_end
from zonepulse.streams.embedded.kafka.broker import Broker
from zonepulse.streams.kafka.topics_admin import ensure_topics

pytestmark = pytest.mark.integration
SCRIPT = Path(__file__).parents[1] / "hostile_files.py"
MOST_S = 2.0
"""Of CPU, on a machine as quick as the time-outs are written for."""
MOST_BYTES = 500 << 20
_numbers = count()


class Site:
    """A zone's topics on the broker, and a folder of files."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.broker, self.folder, self.prefix = broker.bootstrap, folder, f"hostile{next(_numbers)}."
        ensure_topics(self.broker, self.prefix, 2, is_simulated=True)
        publish(self.broker, self.prefix, zone(), 2, timestamp_ms=1_790_000_000_000)

    def made(self, files: dict[str, Any]) -> list[Path]:
        for name, content in files.items():
            path = self.folder / name
            path.write_bytes(content) if isinstance(content, bytes) else content(path)
        return [self.folder / name for name in files]

    def ends(self, commands: Sequence[Sequence[object]]) -> list[dict[str, Any]]:
        """How each of these ended, all in one process that must outlive them."""
        told = [[str(word) for word in command] for command in commands]
        settings = {"ZONEPULSE_BROKER": self.broker, "ZONEPULSE_TOPIC_PREFIX": self.prefix, "ZONEPULSE_PARTITIONS": "2"}
        argv = [sys.executable, "-X", "faulthandler", str(SCRIPT), str(self.folder), json.dumps(told)]
        done = subprocess.run(
            argv, env=os.environ | settings, cwd=self.folder, capture_output=True, text=True, timeout=patience_s(300), check=False
        )
        lines = (self.folder / "ends.jsonl").read_text().splitlines()
        assert (done.returncode, len(lines)) == (0, len(told)), (told[len(lines) : len(lines) + 1], done.stderr[-3000:])
        return [json.loads(line) for line in lines]


@pytest.fixture
def site(broker: Broker, tmp_path: Path) -> Site:
    return Site(broker, tmp_path)


def check(end: dict[str, Any], codes: tuple[int, ...]) -> None:
    what = [end["command"], end["code"], end["raised"], end["told"][:2_000]]
    assert end["raised"] is None and end["code"] in codes, what
    assert len(end["told"]) < 200_000 and "root:" not in end["told"], what
    assert Path(end["command"][-1]).name in end["told"] or end["code"] == 0, what
    assert end["cpu_s"] < MOST_S * slowness(), (end["cpu_s"], what)
    assert end["peak"] < MOST_BYTES, (end["peak"], what)


def test_produce_names_what_is_wrong_and_what_it_sends_it_sends_as_it_is(site: Site) -> None:
    good = site.made({"good.jsonl": ONE % b"1"})
    files = site.made(BOMBS | MADE)
    ends = site.ends([["produce", path] for path in (*good, *files)])
    assert ends[0]["code"] == 0
    for end in ends:
        check(end, (0, 1, 2, 3))
    assert len([end for end in ends if end["code"] == 2]) >= 18
    sent = [r for r in read_to_end(site.broker, f"{site.prefix}readings") if r.value != b"[]"]
    assert sent[0].value == (ONE % b"1").rstrip()


def test_registry_apply_names_the_mistakes_and_publishes_nothing(site: Site) -> None:
    files = [*site.made(ZONES), Path("/dev/zero")]
    up = ["up", "--folder", site.folder / "up", "--zone"]
    for end in site.ends([[*command, path] for command in (["registry", "apply"], up) for path in files]):
        check(end, (2,))
    assert sorted(load_versions(site.broker, f"{site.prefix}registry")) == [1]
    assert not (site.folder / "RAN").exists() and not (site.folder / "up").exists()


@pytest.mark.parametrize(
    "command", [["convert", "--look"], ["convert", "--out", "out.csv", "--force"], ["registry", "new", "--force", "--from"]]
)
def test_a_survey_names_what_is_wrong(site: Site, command: list[str]) -> None:
    for end in site.ends([[*command, path] for path in site.made(BOMBS | MADE)]):
        check(end, (0, 1, 2, 3))
