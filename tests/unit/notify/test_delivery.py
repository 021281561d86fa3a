"""Attempts: back-off, Retry-After, the breaker, giving up; tokens of links; what answers of receivers mean."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonepulse.schemas.messages.dead_letters import decode_dead_letter
from zonepulse.schemas.registry.subscribers import BadSubscriber, Subscriber, checked, masked, parse_subscriber
from zonepulse.streams.notify.channels.webhook import judged, sign
from zonepulse.streams.notify.routing.delivery import (
    GIVEN_UP_MS,
    LONGEST_MS,
    Breaker,
    backoff_ms,
    due,
    gap_ms,
    letter,
    rows,
    settle,
)
from zonepulse.streams.notify.routing.link_tokens import BadToken, Grant, read, token
from zonepulse.streams.notify.routing.results import SENT, Result
from zonepulse.streams.notify.routing.state import Parcel, State
from zonepulse.streams.notify.settings import NotifySettings
from zonepulse.streams.settings import BadSetting

T0 = 1_790_000_100_000
FAILED = Result("failed", "away")


def parcel(key: str = "k", target: str = "mailto:a@plant.example", made_at_ms: int = T0) -> Parcel:
    return Parcel(key, "desk", target, "alert", made_at_ms)


@given(st.integers(1, 200), st.floats(0, 1, exclude_max=True))
def test_the_wait_grows_and_is_bounded(attempts: int, chance: float) -> None:
    assert 5_000 <= backoff_ms(attempts, chance) <= 1.5 * LONGEST_MS
    assert backoff_ms(attempts + 1, chance) >= backoff_ms(attempts, chance)


def test_a_receiver_that_says_when_is_asked_then() -> None:
    state, one = State(), parcel()
    one.attempts = 1
    settle(state, one, Result("failed", "HTTP 429", 120.0), 0.0, T0)
    assert one.next_try_ms == T0 + 120_000 and not one.outcome
    settle(state, one, Result("failed", "HTTP 429", 10.0**9), 0.0, T0)
    assert one.next_try_ms == T0 + 6 * 3_600_000


def test_what_cannot_be_delivered_for_a_day_is_given_up_and_a_refusal_at_once() -> None:
    state, one, other = State(), parcel(), parcel("l")
    settle(state, one, FAILED, 0.5, T0 + GIVEN_UP_MS - 1)
    assert one.outcome == ""
    settle(state, one, FAILED, 0.5, T0 + GIVEN_UP_MS)
    settle(state, other, Result("refused", "550"), 0.5, T0)
    assert one.outcome == other.outcome == "dead"


def test_a_dead_address_stops_nobody_else_and_is_tried_ever_more_rarely() -> None:
    state, breaker, tried, now = State(), Breaker(), list[int](), T0
    state.parcels["live"] = parcel("live", "mailto:b@plant.example")
    for n in range(7 * 24):  # a message an hour for a week
        state.parcels[str(n)] = parcel(str(n), made_at_ms=T0 + n * 3_600_000)
    while now < T0 + 7 * 86_400_000:
        for one in due(state, {"mailto:a@plant.example": breaker}, set(), now):
            if one.key == "live":
                del state.parcels["live"]
                continue
            one.attempts += 1
            tried.append(now)
            breaker.note(False, now)
            settle(state, one, FAILED, 0.5, now)
        now += 60_000
    assert "live" not in state.parcels
    days = [sum(T0 + d * 86_400_000 <= at < T0 + (d + 1) * 86_400_000 for at in tried) for d in range(7)]
    assert all(count <= 60 for count in days), days
    assert sum(p.outcome == "dead" for p in state.parcels.values()) > 100


def test_a_robot_gets_at_most_one_message_in_three_seconds_and_others_do_not_wait_for_it() -> None:
    state, breakers = State(), {target: Breaker() for target in ("channel:robot", "mailto:a@plant.example")}
    for n in range(20):
        state.parcels[f"r{n}"] = parcel(f"r{n}", "channel:robot", T0 + n)
        state.parcels[f"m{n}"] = parcel(f"m{n}", made_at_ms=T0 + n)
    sent = dict.fromkeys(breakers, 0)
    for now in range(T0 + 20, T0 + 20 + 30_000, 500):
        for one in due(state, breakers, set(), now):
            breakers[one.target].note(True, now, gap_ms(one.target))
            settle(state, one, SENT, 0.5, now)
            sent[one.target] += 1
    assert sent == {"channel:robot": 10, "mailto:a@plant.example": 20}


def test_a_rest_that_a_clock_ahead_ordered_ends_with_it() -> None:
    state, breaker = State(), Breaker()
    state.parcels["k"] = parcel()
    for _ in range(9):
        breaker.note(False, T0 + 365 * 86_400_000)
    assert due(state, {"mailto:a@plant.example": breaker}, set(), T0) == [state.parcels["k"]]


def test_what_was_given_up_is_a_dead_letter_that_names_nobody_and_is_the_same_again() -> None:
    one = parcel("00ab" * 6)
    one.items, one.outcome, one.error, one.attempts, one.ended_at_ms = [("0" * 16 + "/5", "raised")], "dead", "550 5.1.1", 3, T0 + 9
    found = letter(one, "zp.notify")
    assert found == letter(one, "zp.notify") == decode_dead_letter(found.headers(), found.key, found.value)
    assert (found.reason, found.topic, found.key, found.offset) == ("undelivered", "zp.notify", one.key.encode(), 0x00AB00AB00AB)
    told = json.loads(found.value or b"")
    assert (told["alerts"], told["error"], told["attempts"]) == ([["0" * 16 + "/5", "raised"]], "550 5.1.1", 3)
    assert "desk" not in str(found) and "plant.example" not in str(found)


def test_a_target_gets_its_messages_one_after_another_the_oldest_first() -> None:
    state = State()
    for n in range(3):
        state.parcels[str(n)] = parcel(str(n), made_at_ms=T0 - n)
    assert [p.key for p in due(state, {}, set(), T0)] == ["2"]
    assert due(state, {}, {"mailto:a@plant.example"}, T0) == []


def test_the_log_has_a_row_an_alert_without_the_address() -> None:
    one = parcel()
    one.items, one.outcome, one.attempts = [("0" * 16 + "/5", "raised"), ("1" * 16 + "/-3", "resolved")], "sent", 2
    found = list(rows(one, State(), "z"))
    assert [(r["starts_at"], r["said"], r["outcome"], r["revision"]) for r in found] == [
        (5, "raised", "sent", 2),
        (-3, "resolved", "sent", 2),
    ]
    assert all(r["channel"] == "mailto:a***@***.example" for r in found)
    assert len(list(rows(parcel(), State(), "z"))) == 1


@pytest.mark.parametrize(("status", "after", "expected"), [
    (200, None, SENT), (204, "9", SENT), (410, None, "refused"), (500, "7", (None,)), (429, "7", (7.0,)), (503, "x", (None,)),
    (429, "Thu, 26 Nov 2026 12:01:00 GMT", (60.0,)), (301, None, (None,)), (429, "-5", (None,)),
])  # fmt: skip
def test_what_answers_of_webhooks_mean(status: int, after: str | None, expected: Any) -> None:
    found = judged(status, after, datetime(2026, 11, 26, 12, 0, tzinfo=UTC))
    if isinstance(expected, tuple):
        assert (found.outcome, found.retry_after_s) == ("failed", expected[0])
    else:
        assert found == expected or found.outcome == expected


def test_every_key_signs_so_that_a_receiver_can_change_it() -> None:
    both = sign([("new", "n" * 16), ("old", "o" * 16)], 1_700_000_000, b"{}")
    assert both.split(",")[1] == sign([("old", "o" * 16)], 1_700_000_000, b"{}")
    assert sign([("old", "o" * 16)], 1_700_000_001, b"{}") not in both


KEYS = ("n" * 32, "o" * 32)


@given(st.binary(min_size=1, max_size=8), st.integers(0, 500))
def test_a_changed_link_is_refused(noise: bytes, at: int) -> None:
    good = token(Grant("snooze", "desk", "0" * 16 + "/5", T0), KEYS)
    bad = good[: at % len(good)] + noise.hex() + good[at % len(good) + 1 :]
    if bad != good:
        with pytest.raises(BadToken):
            read(bad, KEYS, T0)


def test_links_expire_or_not_and_outlive_a_change_of_keys() -> None:
    grant = Grant("acknowledge", "desk", "0" * 16 + "/5", T0)
    assert read(token(grant, KEYS[1:]), KEYS, T0) == grant
    with pytest.raises(BadToken, match="too old"):
        read(token(grant, KEYS), KEYS, T0 + 1)
    stop = Grant("stop", "desk")
    assert read(token(stop, KEYS), KEYS, T0 * 100) == stop
    with pytest.raises(BadToken):
        read(token(stop, KEYS[:1]), KEYS[1:], T0)


@pytest.mark.parametrize(
    "to", ["", "a@b", "mailto:a", "mailto:a@b.c\r\nBcc: d@e.f", "mailto:a b@c.d", "channel:", "channel:A/../b", "http://x"]
)
def test_targets_that_cannot_be_are_refused(to: str) -> None:
    with pytest.raises(BadSubscriber):
        checked(Subscriber("s", (to,)))


@pytest.mark.parametrize(
    "value",
    [b"", b"{}", b"[]", b"\xff", b'{"id":"x","to":["mailto:a@b.c"],"severity":"loud"}', b'{"id":"x","to":[]}', b'{"a":' * 5_000],
)
def test_records_that_are_no_subscriber_are_refused(value: bytes) -> None:
    with pytest.raises(BadSubscriber):
        parse_subscriber(value)


def test_addresses_are_masked() -> None:
    assert masked("mailto:li.wei@steel.example") == "mailto:l***@***.example" and masked("channel:ops") == "channel:ops"


@pytest.mark.parametrize(("variables", "told"), [
    ({"SMTP_HOST": "h"}, "SMTP_FROM"), ({"SMTP_SECURITY": "none"}, "starttls"),
    ({"SMTP_HOST": "h", "SMTP_FROM": "a@b\nBcc: c@d"}, "SMTP_FROM"),
    ({"SMTP_PORT": "x"}, "port"), ({"PUBLIC_URL": "https://x"}, "LINK_KEYS"), ({"PUBLIC_URL": "https://x", "LINK_KEYS": "short"}, "32"),
    ({"WEBHOOK_ERP": "https://x"}, "WEBHOOK_ERP_KEYS"), ({"WEBHOOK_ERP": "x", "WEBHOOK_ERP_KEYS": "a:" + "s" * 16}, "address"),
    ({"SMTP_PASSWORD_FILE": "/nowhere"}, "/nowhere"), ({"ALERTMANAGER_URL": "x"}, "http"), ({"NOTIFY_WAIT_S": "0"}, "seconds"),
    ({"NOTIFY_OPERATIONS_S": "151"}, "1 to 150"), ({"DELIVERIES_DAYS": "0"}, "whole days"), ({"DELIVERIES_DAYS": "400d"}, "whole days"),
])  # fmt: skip
def test_a_setting_that_cannot_be_used_is_named(variables: dict[str, str], told: str) -> None:
    with pytest.raises(BadSetting, match=told):
        NotifySettings.from_env({f"ZONEPULSE_{name}": value for name, value in variables.items()})


def test_secrets_come_from_variables_or_files_and_show_in_no_text(tmp_path: Any) -> None:
    (tmp_path / "key").write_text("wecombot://SECRET\n")
    found = NotifySettings.from_env(
        {
            "ZONEPULSE_CHANNEL_OPS_ROBOT_FILE": str(tmp_path / "key"),
            "ZONEPULSE_WEBHOOK_ERP": "https://x",
            "ZONEPULSE_WEBHOOK_ERP_KEYS": "new:SECRETSECRETSECRET old:SECRETSECRETSECRET",
            "ZONEPULSE_SMTP_PASSWORD": "SECRET",
            "ZONEPULSE_LINK_KEYS": "SECRET" * 6,
        }
    )
    assert found.channels == {"ops-robot": "wecombot://SECRET"} and [k for k, _ in found.webhooks["erp"].keys] == ["new", "old"]
    assert "SECRET" not in repr(found)
