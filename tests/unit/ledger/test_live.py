"""The live view while a registry change goes round: partitions with the old version and with the new one count side by side."""

from dataclasses import replace

import pyarrow as pa
from zones import zone

from zonepulse.processors.channels.table import compile_registry
from zonepulse.processors.live import PARTIAL, LiveView

AT_MS = 1_790_784_900_000
FIRST = compile_registry(replace(zone(), version=1), 2)
SECOND = compile_registry(replace(zone(), version=2), 2, FIRST.names)


def sums(power: float) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(
        [{"entity": "zone", "carrier": "electricity", "flow": "import", "power": power, "reporting": 1, "expected": 1}], PARTIAL
    )


def test_sums_of_two_registry_versions_add_up_under_the_later_one_which_is_compiled_once() -> None:
    board = LiveView(FIRST)
    board.offer(0, AT_MS, sums(2.0))
    board.use(SECOND)
    compiled = board._factors
    for channels, partition, power in ((FIRST, 1, 1.0), (SECOND, 0, 3.0), (FIRST, 1, 5.0)):
        board.use(channels)
        board.offer(partition, AT_MS, sums(power))
    assert board.channels is SECOND
    assert board._factors is compiled
    rows = board.rows()
    assert rows is not None
    assert rows["power_kw"].to_pylist() == [8.0]
