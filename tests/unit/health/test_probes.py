"""What a worker says to whoever supervises it. A worker that runs is asked in tests/integration/test_hostile_readings.py."""

from zonepulse.streams.health.probes import Probes


def test_it_lives_as_long_as_its_loop_turns() -> None:
    now = 100.0
    probes = Probes(60.0, lambda: now)
    assert probes.answers["/healthz"]() == (True, "alive"), "kernels may still be compiled"
    probes.turn()
    now += 60.0
    assert probes.alive().is_well
    now += 5.0
    assert probes.alive() == (False, "the event loop has not turned for 65 s")
    probes.turn()
    assert probes.alive().is_well


def test_it_is_not_ready_before_its_group_has_taken_it_in() -> None:
    answer = Probes(60.0).answers["/readyz"]()
    assert not answer.is_well and answer.text.startswith("starting")
