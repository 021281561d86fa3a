"""Chaos for notification counts what it should: nothing is counted as delivered that no receiver took."""

import json

from zonepulse.schemas.messages.alerts import alert_key
from zonepulse.schemas.registry.subscribers import SUBSCRIBERS, Subscriber
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.chaos.notify_counts import NO_FAULT, PEOPLE, Alert, Seen, counted, planned_alerts, waiting_in, zone_yaml
from zonepulse.streams.notify.routing.facts import directory, parse_row
from zonepulse.streams.notify.routing.intake import take_row
from zonepulse.streams.notify.routing.planning import plan
from zonepulse.streams.notify.routing.state import State


def identity(row: Alert) -> str:
    return alert_key(row["fingerprint"], row["starts_at"]).decode()


def everything(count: int = 40) -> Seen:
    """What receivers and log hold where all went well."""
    seen = Seen(sent=planned_alerts(5, count))
    for n, (at_s, row) in enumerate(seen.sent):
        for name, company in PEOPLE.items():
            if company in ("", row["company"]):
                seen.got.setdefault(name, []).append((at_s + 1, {"key": f"{name}{n}"}))
                seen.told.add((name, identity(row), row["state"], f"{name}{n}"))
    return seen


def test_all_that_was_told_is_no_loss_and_what_is_missing_is_one() -> None:
    assert planned_alerts(5, 40) == planned_alerts(5, 40) != planned_alerts(6, 40)
    seen = everything()
    found = counted(seen)
    assert (found["alerts"], found["lost"], found["doubled"], found["leaked"], found["missing"]) == (40, 0, 0, 0, [])
    assert found["delivered"] == len(seen.told) == found["by_fault"][NO_FAULT]["delivered"]
    one = seen.got["desk"].pop()
    found = counted(seen)
    assert found["lost"] == 1, "the log says sent, and no receiver has it"
    last = seen.sent[-1][1]
    assert found["missing"] == [{"subscriber": "desk", "alert": identity(last), "said": last["state"]}]
    seen.got["desk"] += [one, one]
    assert counted(seen)["doubled"] == 1
    seen.got["birch-1"].append((99.0, {"key": "x", "text": "acorn-M1 is silent"}))
    assert counted(seen)["leaked"] == 1


def test_each_count_stands_at_the_fault_that_had_begun_last() -> None:
    seen = everything()
    seen.faults = [(5.0, "kill"), (10.0, "kafka"), (15.0, "kill")]
    (after_kill,) = [row for at_s, row in seen.sent if at_s == 6.0]  # raised, and never over: every other alert is
    (key,) = [key for name, told, said, key in seen.told if (name, told, said) == ("desk", identity(after_kill), "raised")]
    seen.got["desk"] = [one for one in seen.got["desk"] if one[1]["key"] != key]
    other = seen.got["desk"][0][1]
    seen.got["desk"].append((12.0, other))
    seen.got["birch-1"].append((4.0, {"key": "x", "text": "acorn"}))
    found = counted(seen)
    by_fault = found["by_fault"]
    assert [by_fault[k]["faults"] for k in (NO_FAULT, "kill", "kafka")] == [0, 2, 1]
    assert [by_fault[k]["lost"] for k in (NO_FAULT, "kill", "kafka")] == [0, 1, 0] and found["lost"] == 1
    assert [by_fault[k]["doubled"] for k in (NO_FAULT, "kill", "kafka")] == [0, 0, 1] and found["doubled"] == 1
    assert [by_fault[k]["leaked"] for k in (NO_FAULT, "kill", "kafka")] == [1, 0, 0] and found["leaked"] == 1
    assert sum(one["delivered"] for one in by_fault.values()) == found["delivered"] == len(seen.told) - 1


def test_the_end_is_when_nothing_waits_to_be_told_however_long_that_takes() -> None:
    zone = parse_zone(zone_yaml())
    known, state, seen = directory(zone), State(), Seen(sent=planned_alerts(5, 4)[:4])
    desk = Subscriber("desk", ("webhook:desk",))
    assert waiting_in(state, seen).untaken == 4
    for _, row in seen.sent:
        take_row(state, parse_row(json.dumps(row).encode()), [desk], known, 1_000)
    assert (waiting_in(state, seen).untaken, waiting_in(state, seen).gathered) == (0, 4)
    parcels = plan(state, [desk], {}, known, 3_600_000)
    parcels[0].next_try_ms = 7_200_000
    waiting = waiting_in(state, seen)
    assert waiting.gathered == 0 and len(waiting.parcels) == len(parcels) and waiting.next_try_ms == 7_200_000
    parcels[0].attempts += 1
    assert waiting_in(state, seen) != waiting, "an attempt is progress"
    state.parcels.clear()
    assert waiting_in(state, seen).is_empty


def test_its_zone_is_valid_and_has_its_people() -> None:
    registry = parse_zone(zone_yaml())
    assert [s["id"] for s in registry.extra[SUBSCRIBERS.name]] == list(PEOPLE)
