"""A dashboard more is one file of `grafana/boards`: its files in every language, and the tests of every dashboard, follow."""

import shutil
from pathlib import Path

import pytest
from extended import REPOSITORY, Extended

pytestmark = pytest.mark.integration
BOARD = """
from boards import frame
from boards.zone_live import ZoneLive

UID = "zp-dummy"


class Dummy(ZoneLive):
    def dashboard(self):
        language = self._say.language
        return super().dashboard() | {"uid": frame.uid_of(UID, language), "links": frame.links(UID, language)}


BOARD = frame.Board(UID, Dummy)
"""
BUILD = """
import sys
sys.path.insert(0, "zonepulse/grafana")
import build
build.main()
print("null")
"""
TEST = """
import sys, pytest
class Seen:
    def pytest_collection_finish(self, session):
        self.names = [item.name for item in session.items]
seen = Seen()
options = ["-q", "-p", "no:cacheprovider", "--rootdir=zonepulse", "zonepulse/tests/contract/test_dashboards.py"]
failed = pytest.main(options, plugins=[seen])
assert not failed, failed
assert sum("[dummy-de.json]" in name for name in seen.names) > 10
print("null")
"""


def test_a_dashboard_is_declared_in_one_file(tmp_path: Path) -> None:
    tree = Extended(tmp_path)
    tree.add("grafana/boards/dummy.py", BOARD)
    tree.run(BUILD)
    root = tmp_path / "zonepulse"
    written = {path.name for path in (root / "grafana/dashboards").iterdir()}
    assert written >= {"dummy.json", "dummy-de.json", "dummy-zh.json", "zone-live.json"}
    (root / "tests/contract").mkdir(parents=True)
    shutil.copy(REPOSITORY / "tests/contract/test_dashboards.py", root / "tests/contract")
    tree.run(TEST)
