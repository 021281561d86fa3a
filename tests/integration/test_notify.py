"""Alerts reach people: the worker against a real broker and a real SMTP server with STARTTLS and AUTH."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from live_parts import produce, wait_until
from notify_parts import PASSWORD, MailServer, html_of, notify_worker, send_alerts, text_of, transition
from zones import zone

from zonepulse.schemas.registry.subscribers import Subscriber
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.embedded.kafka.broker import Broker
from zonepulse.streams.kafka.topics_admin import ensure_topics
from zonepulse.streams.notify.faults import PLACES, VARIABLE
from zonepulse.streams.notify.subscriber_log import write_subscriber

pytestmark = [pytest.mark.integration, pytest.mark.long]
DESK, MILL = "desk@plant.example", "mill@a.example"
DYING_IN_SHORT = "saved", "sent", "logged"
"""Places at which the worker dies in `make test`; at all others in `make soak`."""
PEOPLE = f"""
subscribers:
  - {{id: desk, to: ["mailto:{DESK}"]}}
  - {{id: mill, to: ["mailto:{MILL}"], company: a, language: de}}
"""


@pytest.fixture
def mails(tmp_path: Path) -> Iterator[MailServer]:
    server = MailServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def prefix(broker: Broker) -> str:
    return registered(broker)


def registered(broker: Broker) -> str:
    """A zone with its people; the prefix of its topics."""
    prefix = f"n{uuid4().hex[:8]}."
    ensure_topics(broker.bootstrap, prefix, 2, is_simulated=True)
    publish(broker.bootstrap, prefix, zone(more=PEOPLE), 2, timestamp_ms=1)
    return prefix


def life(mail: EmailMessage) -> str:
    return str(mail["References"])


def test_an_alert_reaches_whom_it_is_for_in_their_language_and_so_does_its_end(
    broker: Broker, prefix: str, mails: MailServer, tmp_path: Path
) -> None:
    raised = transition(company="a", meter="M", value=12.5, impact_kg=3.25, evidence='{"register":"1.8.0"}')
    with notify_worker(broker.bootstrap, prefix, tmp_path, **mails.environment()):
        send_alerts(broker.bootstrap, prefix, raised)
        (english,), (german,) = mails.wait_for(DESK, 1), mails.wait_for(MILL, 1)
        assert "No readings" in english["Subject"] and "Keine Messwerte" in german["Subject"]
        assert "12.5 kWh" in text_of(english) and "12,5 kWh" in text_of(german) and "12,5 kWh" in html_of(german)
        send_alerts(broker.bootstrap, prefix, raised | {"state": "resolved", "revision": 2, "ends_at": 1_790_000_200_000})
        ended = mails.wait_for(DESK, 2)[1]
        assert "Resolved" in ended["Subject"] and life(ended) == life(english) != life(german)
    assert len({mail["Message-ID"] for mail in mails.mails}) == len(mails.mails)


def test_a_self_registered_subscriber_gets_a_test_message_that_says_how_to_stop_it(
    broker: Broker, prefix: str, mails: MailServer, tmp_path: Path
) -> None:
    with notify_worker(broker.bootstrap, prefix, tmp_path, **mails.environment()):
        write_subscriber(broker.bootstrap, prefix, Subscriber("new", ("mailto:new@plant.example",), language="zh"))
        (mail,) = mails.wait_for("new@plant.example", 1)
        assert "测试消息" in mail["Subject"] and "zonepulse subscribers pause new" in text_of(mail)


@pytest.mark.parametrize(
    "place", [pytest.param(place, marks=() if place in DYING_IN_SHORT else pytest.mark.soak) for place in PLACES]
)
def test_a_worker_that_dies_anywhere_sends_each_message_at_least_once_and_says_the_same(
    place: str, broker: Broker, prefix: str, mails: MailServer, tmp_path: Path
) -> None:
    died = tmp_path / "died"
    rows = [transition(company="a", meter="M", starts_at=1_790_000_100_000 + i) for i in range(3)]
    send_alerts(broker.bootstrap, prefix, *rows)
    with notify_worker(broker.bootstrap, prefix, tmp_path, **mails.environment(), **{VARIABLE: f"{place}:{died}"}) as worker:
        wait_until(lambda: worker.exit_code == -signal.SIGKILL, 60, f"the worker died at {place}")
    assert died.exists()
    with notify_worker(broker.bootstrap, prefix, tmp_path, **mails.environment()) as again:
        mails.wait_for(DESK, 1, 60)
        mails.wait_for(MILL, 1, 60)
        time.sleep(3)
        assert again.is_running
    keys = {mail["X-Zonepulse-Key"] for mail in mails.to(DESK)}
    assert len(keys) == 1, "one message of the group, whatever died"
    assert len(mails.mails) <= (4 if place == "sent" else 2), "doubled only where it died between the receipt and its record"
    assert all("3 alerts" in mail["Subject"] for mail in mails.to(DESK))


def test_a_mail_server_that_is_away_or_says_later_gets_the_message_later(
    broker: Broker, prefix: str, mails: MailServer, tmp_path: Path
) -> None:
    mails.answers = ["451 4.3.0 later"] * 2
    with notify_worker(broker.bootstrap, prefix, tmp_path, **mails.environment()) as worker:
        send_alerts(broker.bootstrap, prefix, transition(company="a", meter="M"))
        mails.wait_for(DESK, 1, 60)
        mails.wait_for(MILL, 1, 60)
        assert PASSWORD not in worker.log.read_text() and MILL not in worker.log.read_text()


def test_a_store_that_hangs_costs_the_picture_and_nothing_else(
    broker: Broker, prefix: str, mails: MailServer, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hung:
        store = {"ZONEPULSE_CLICKHOUSE_PORT": str(hung.getsockname()[1])}
        with notify_worker(broker.bootstrap, prefix, tmp_path, **mails.environment(), **store) as worker:
            raised = transition(company="a", meter="M", value=12.5, evidence='{"register":"1.8.0"}')
            send_alerts(broker.bootstrap, prefix, raised)
            (mail,) = mails.wait_for(DESK, 1, 60)
            (german,) = mails.wait_for(MILL, 1, 60)
            wait_until(lambda: "no picture of" in worker.log.read_text(), 10, "the log says why there is no picture")
    assert "12.5 kWh" in text_of(mail) and "12,5 kWh" in text_of(german)
    assert not [part for part in (*mail.walk(), *german.walk()) if part.get_content_maintype() == "image"]


def test_kafka_away_is_silence_and_afterwards_what_came_and_nothing_twice(mails: MailServer, tmp_path: Path) -> None:
    broker = Broker(tmp_path / "kafka")
    broker.start()
    try:
        prefix = registered(broker)
        raised = transition(company="a", meter="M")
        with notify_worker(broker.bootstrap, prefix, tmp_path, **mails.environment()) as worker:
            send_alerts(broker.bootstrap, prefix, raised)
            mails.wait_for(DESK, 1, 60)
            mails.wait_for(MILL, 1, 60)
            os.kill(broker.pid, signal.SIGKILL)
            broker.stop()
            broker.start()
            assert len(mails.mails) == 2
            send_alerts(broker.bootstrap, prefix, raised | {"state": "resolved", "revision": 2, "ends_at": 1_790_000_200_000})
            wait_until(lambda: len(mails.mails) >= 4 or not worker.is_running, 120, "it goes on, or ends to be started again")
        with notify_worker(broker.bootstrap, prefix, tmp_path, **mails.environment()):
            assert "Resolved" in mails.wait_for(DESK, 2, 120)[1]["Subject"]
            mails.wait_for(MILL, 2, 60)
    finally:
        broker.stop()
    assert len({mail["Message-ID"] for mail in mails.mails}) == len(mails.mails) == 4


def test_a_zombie_that_wakes_up_sends_nothing(broker: Broker, prefix: str, mails: MailServer, tmp_path: Path) -> None:
    with notify_worker(broker.bootstrap, prefix, tmp_path, **mails.environment()) as first:
        write_subscriber(broker.bootstrap, prefix, Subscriber("probe", ("mailto:probe@plant.example",)))
        mails.wait_for("probe@plant.example", 1, 60)
        subprocess.run(["kill", "-STOP", str(first.pid)], check=True)
        with notify_worker(broker.bootstrap, prefix, tmp_path, **mails.environment(), ZONEPULSE_INSTANCE="1"):
            send_alerts(broker.bootstrap, prefix, transition(company="a", meter="M"))
            mails.wait_for(DESK, 1, 60)
            subprocess.run(["kill", "-CONT", str(first.pid)], check=True)
            send_alerts(broker.bootstrap, prefix, transition("stuck", company="a", meter="M"))
            mails.wait_for(DESK, 2, 60)
            time.sleep(3)
    assert len({mail["Message-ID"] for mail in mails.to(DESK)}) == len(mails.to(DESK)) == 2


def test_operations_hear_each_beat_of_whoever_speaks_and_silence_of_whom_is_dead(
    broker: Broker, prefix: str, mails: MailServer, tmp_path: Path
) -> None:
    beats, alerts = [0], dict[str, list[dict[str, Any]]]()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            beats[0] += self.path == "/alive"
            self.answer()

        def do_POST(self) -> None:
            for alert in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
                alerts.setdefault(alert["labels"]["alertname"], []).append({**alert, "path": self.path, "at": datetime.now(UTC)})
            self.answer()

        def answer(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    operations = {
        "ZONEPULSE_ALERTMANAGER_URL": url, "ZONEPULSE_WATCHDOG_URL": f"{url}/alive", "ZONEPULSE_NOTIFY_OPERATIONS_S": "1",
    }  # fmt: skip
    try:
        send_alerts(broker.bootstrap, prefix, transition(company="a", meter="M"))
        with notify_worker(broker.bootstrap, prefix, tmp_path, **mails.environment(), **operations) as worker:
            wait_until(lambda: len(alerts.get("silent_channel", ())) > 2 and beats[0] > 2, 60, "each beat has the alert again")
            for one in (*alerts["silent_channel"], *alerts["Watchdog"]):
                assert one["path"] == "/api/v2/alerts"
                ahead_s = (datetime.fromisoformat(one["endsAt"]) - one["at"]).total_seconds()
                assert 240 < ahead_s <= 300, "it ends only if nobody says it again"
            os.kill(worker.pid, signal.SIGKILL)
            wait_until(lambda: not worker.is_running, 30, "it is dead")
            last = beats[0]
            time.sleep(3)
            assert beats[0] == last
    finally:
        server.shutdown()
        server.server_close()


def test_junk_on_its_topics_stops_nothing(broker: Broker, prefix: str, mails: MailServer, tmp_path: Path) -> None:
    junk = [b"", b"\xff\xfe", b"{}", b"[1]", b'{"a":' * 2_000, b"null", b'{"severity":"loud"}']
    hostile = transition(company="a", meter="M", rule="x" * 5_000, value=1e300, evidence='{"register":' + "[" * 9_000)
    for topic in ("alerts", "subscribers", "commands", "notify"):
        records = [(0, key, value, [], None) for value in junk for key in (None, b"alert/x", b"desk", b"\xff", b"group/a/b")]
        produce(broker.bootstrap, f"{prefix}{topic}", [r for r in records if r[1] is not None or topic == "commands"])
    with notify_worker(broker.bootstrap, prefix, tmp_path, **mails.environment()) as worker:
        send_alerts(broker.bootstrap, prefix, hostile, transition(company="a", meter="M"))
        subjects = [str(mail["Subject"]) for mail in mails.wait_for(DESK, 2, 60)]
        assert any("No readings" in subject for subject in subjects)
        assert worker.is_running


def test_ten_thousand_alerts_at_once_are_few_mails_that_count_them(
    broker: Broker, prefix: str, mails: MailServer, tmp_path: Path
) -> None:
    flood = [transition(company="a", meter="M", starts_at=1_790_000_100_000 + n) for n in range(10_000)]
    send_alerts(broker.bootstrap, prefix, *flood)
    with notify_worker(broker.bootstrap, prefix, tmp_path, **mails.environment(), ZONEPULSE_NOTIFY_WAIT_S="5") as worker:
        wait_until(lambda: sum(count(mail) for mail in mails.to(DESK)) == 10_000, 120, "all are told")
        assert len(mails.to(DESK)) <= 4 and max(len(text_of(mail)) for mail in mails.mails) < 20_000
        assert worker.is_running


def count(mail: EmailMessage) -> int:
    """Of alerts that a mail is about, by its subject."""
    return int(str(mail["Subject"]).split(" ")[0].replace(",", ""))
