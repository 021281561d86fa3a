"""`zonepulse bench replay` in the small: that topic, archive and processes give the same rows, and what it tells, not how fast it is."""

import pytest

from zonepulse.streams.bench.replay import Options, print_report, run

pytestmark = [pytest.mark.integration, pytest.mark.soak, pytest.mark.timeout(600)]


def test_topic_archive_processes_and_polars_are_measured_over_the_same_readings(capsys: pytest.CaptureFixture[str]) -> None:
    found = run(Options(readings=10_000, channels=100, partitions=2, processes=2, live_rate=2_000, live_s=3), lambda _: None)
    assert {name: form["readings"] for name, form in found["forms"].items()} == {"json": 10_000, "arrow": 50_000}
    for form in found["forms"].values():
        assert form["rows"] > 100
        for what in ("topic", "archive", "archive, shared out", "polars"):
            assert form[what]["readings_per_s"] == pytest.approx(form["readings"] / form[what]["seconds"])
            assert form[what]["cpu_s"] > 0
    for one in found["beside"].values():
        assert one["readings_per_s"] == 2_000 and {"samples", "p50_ms", "p99_ms"} <= one["intervals"].keys()
    assert found["beside"]["beside a replay"]["replays"] >= 0
    print_report(found)
    assert "polars" in capsys.readouterr().out
