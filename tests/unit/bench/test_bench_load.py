"""The bench's load is what it says: every reading once, in order, each form with the same content."""

import json

import numpy as np
import pytest

from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.messages.readings import decode
from zonepulse.schemas.messages.records import ARROW
from zonepulse.streams.bench.load import FORMS, PERIOD_MS, TICK_MS, Form, Load, gateway

LOAD = Load("z", channels=40, partitions=2, rounds=95)


def readings(form: Form) -> list[tuple[str, int, float]]:
    found = []
    for partition in range(LOAD.partitions):
        for _, value in LOAD.records(partition, form):
            decoded = decode(value, ARROW if form.is_arrow else None)
            found += list(zip(decoded.meter, decoded.ts, decoded.value, strict=True))
    return found


@pytest.mark.parametrize("name", FORMS)
def test_every_form_holds_the_same_readings(name: str) -> None:
    assert sorted(readings(FORMS[name])) == sorted(readings(FORMS["json"]))


def test_every_channel_sends_once_a_period() -> None:
    found = readings(FORMS["json"])
    assert len(found) == LOAD.readings == len(set(found))
    times = np.array(sorted(ts for meter, ts, _ in found if meter == found[0][0]))
    assert (np.diff(times) == PERIOD_MS).all()


@pytest.mark.parametrize("name", FORMS)
def test_arrivals_never_go_back(name: str) -> None:
    arrivals = [at for at, _ in LOAD.records(1, FORMS[name])]
    assert arrivals == sorted(arrivals) and arrivals[-1] < LOAD.end_ms


def test_a_message_has_about_a_hundred_bytes() -> None:
    sizes = [len(value) for _, value in LOAD.records(0, FORMS["json"])]
    assert min(sizes) >= 90 and max(sizes) <= 115
    assert json.loads(next(iter(LOAD.records(0, FORMS["json"])))[1])["unit"] == "kWh"


def test_readings_before_a_time_are_counted_as_they_arrive() -> None:
    arrivals = [at for at, _ in LOAD.records(0, FORMS["json"])]
    for edge in range(arrivals[0] - TICK_MS, arrivals[-1] + TICK_MS, 12_345):
        assert LOAD.before(edge) == sum(at < edge for at in arrivals)


def test_a_partition_has_a_gateway_whose_key_leads_there() -> None:
    assert [partition_of(gateway(p, 3), 3) for p in range(3)] == [0, 1, 2]
