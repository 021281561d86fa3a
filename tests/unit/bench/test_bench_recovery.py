"""What `bench recovery` makes of what workers tell, and of memory over time."""

import numpy as np
import pytest

from zonepulse.processors.channels.table import compile_registry
from zonepulse.streams.bench.recovery import STEPS, checkpoint_bytes, parsed, print_report, slope, start_seconds
from zonepulse.streams.bench.recovery_load import REGISTERS, QuarterHours

METRICS = """
# TYPE zonepulse_start_seconds gauge
zonepulse_start_seconds{step="restore"} 1.5
# TYPE zonepulse_checkpoint_bytes_total counter
zonepulse_checkpoint_bytes_total{task="intervals"} 2000.0
"""


def test_steps_and_bytes_are_read_from_the_metrics_of_a_worker() -> None:
    samples = parsed(METRICS)
    assert start_seconds(samples) == {"restore": 1.5}
    assert checkpoint_bytes(samples) == 2000


def test_a_slope_is_found_with_its_error() -> None:
    at = np.arange(0, 600, 5.0)
    rising = slope([(t, 100 + t / 30) for t in at.tolist()])
    assert rising["mb_per_min"] == pytest.approx(2)
    assert rising["standard_error"] == pytest.approx(0, abs=1e-9)
    noisy = slope([(t, 100 + 5 * (-1) ** i) for i, t in enumerate(at.tolist())])
    assert abs(noisy["mb_per_min"]) < noisy["standard_error"]
    assert slope([(0.0, 100.0), (5.0, 101.0)])["mb_per_min"] is None


def test_every_channel_of_the_load_sends_once_a_round_from_its_own_partition() -> None:
    load = QuarterHours("z", 4 * REGISTERS * 3, 4, 1)
    channels = compile_registry(load.registry(), 4)
    assert len(channels.names) == load.channels
    assert [len(channels.partition_channels(p)) for p in range(4)] == [3 * REGISTERS] * 4
    blocks = list(load.blocks(0, 2 * REGISTERS))
    assert [block.partition for block in blocks] == [0, 1, 2, 3] * 2


def test_the_report_names_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = {step: float(i) for i, step in enumerate(STEPS)}
    memory = slope([(0.0, 1.0), (5.0, 2.0), (10.0, 4.0)])
    print_report(
        {
            "machine": {"cpu": "x", "cores": 2, "load_before": 1.0, "load_after": 2.0},
            "options": {"channels": 500_000},
            "recovery": {
                "steps": seconds, "cpu_steps": seconds, "seconds": 9.0, "snapshot_mb": 3.0, "checkpoint_mb_per_s": 0.5,
                "rss_before_mb": 100.0, "rss_after_mb": 90.0,
            },
            "soak": {"readings_per_s": 8_000.0, "rss": {"intervals": memory}},
        }
    )  # fmt: skip
    told = capsys.readouterr().out
    assert all(meaning in told for meaning in STEPS.values())
    assert "18.00 ± 3.46" in told
