"""The whole way: alerts are told, the delivery log is in the store, commands show and forget it; a dead address becomes an alert."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import commands
import pytest
from kafka import KafkaConsumer, TopicPartition
from live_parts import process, wait_until
from notify_parts import MailServer, html_of, notify_worker, send_alerts, text_of, transition
from store_parts import START_MS, WORKER, ClickHouse, options
from zones import zone

from zonepulse.schemas.messages.commands import parse_command
from zonepulse.schemas.messages.dead_letters import UNDELIVERED
from zonepulse.schemas.registry.subscribers import Subscriber, Wish
from zonepulse.streams.clickhouse import migrations
from zonepulse.streams.control.command_log import read_commands
from zonepulse.streams.control.registry_topic import publish, read_to_end
from zonepulse.streams.embedded.kafka.broker import Broker
from zonepulse.streams.embedded.processes.process import free_port
from zonepulse.streams.kafka.interval_codec import CANDIDATES, KIND, block_metadata, decode_block
from zonepulse.streams.kafka.topics_admin import ensure_topics
from zonepulse.streams.notify.history import history_of
from zonepulse.streams.notify.retention import keep_deliveries
from zonepulse.streams.notify.routing.facts import directory, parse_row
from zonepulse.streams.notify.subscriber_log import read_people, write_wish

pytestmark = pytest.mark.integration
PEOPLE = """
subscribers:
  - {id: desk, to: ["mailto:desk@plant.example"]}
  - {id: gone, to: ["mailto:gone@plant.example"], company: a}
"""


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    clickhouse = ClickHouse(tmp_path_factory.mktemp("clickhouse"))
    clickhouse.start()
    with clickhouse.client() as client:
        migrations.apply(client)
    yield clickhouse
    clickhouse.process.stop()


@pytest.fixture
def mails(tmp_path: Path) -> Iterator[MailServer]:
    server = MailServer(tmp_path)
    server.start()
    yield server
    server.stop()


MOVED = """
  - id: MOVED
    site: s
    role: main
    registers: {"1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000000}}
    valid_to: 2025-01-01
  - id: MOVED
    site: s2
    role: main
    registers: {"1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000000}}
    valid_from: 2025-01-01
"""
HOUR_MS = 3_600_000


def test_a_picture_shows_the_readings_of_the_alerts_company_only(clickhouse: ClickHouse) -> None:
    known = directory(zone(more=MOVED))
    moved_ms = known.owners["MOVED"][0][1]
    with clickhouse.client() as client:  # two days of each company, 1 kWh a window of a, 777 of b
        starts = [moved_ms + n * 900_000 for n in range(-192, 192)]
        times = [datetime.fromtimestamp(start / 1000, UTC) for start in starts]
        values = [10**6 if start < moved_ms else 777 * 10**6 for start in starts]
        rows = [["live", "z", "MOVED", "1.8.0", at, 900, value] for at, value in zip(times, values, strict=True)]
        names = ["run", "zone", "meter", "register", "start", "length_s", "value_micro"]
        client.insert("zonepulse.intervals", rows, column_names=names)

    def shown(company: str, reader: str, starts_at: int, now_ms: int) -> set[float | None]:
        facts = transition("unusual", company=company, meter="MOVED", starts_at=starts_at, evidence='{"register":"1.8.0"}')
        person = Subscriber("p", ("mailto:p@plant.example",), company=reader)
        found = history_of(parse_row(json.dumps(facts).encode()), person, known, clickhouse.settings, now_ms)
        return set() if found is None else set(found.values)

    for hours in (1, 3, 12, 23, 30):
        before, after = moved_ms - 2 * HOUR_MS, moved_ms + HOUR_MS
        assert shown("a", "a", before, moved_ms + hours * HOUR_MS) == {1.0}, "readings of the next company are none of its picture"
        assert shown("b", "b", after, after + hours * HOUR_MS) == {777.0}
        assert shown("a", "a", after, after + hours * HOUR_MS) == shown("b", "b", before, before + hours * HOUR_MS) == set()
        assert shown("a", "b", before, moved_ms + hours * HOUR_MS) == shown("b", "a", after, after + hours * HOUR_MS) == set()


def test_the_delivery_log_is_kept_for_as_long_as_the_setting_says(clickhouse: ClickHouse) -> None:
    def kept() -> list[str]:
        return sorted(message for (message,) in clickhouse.rows("SELECT message FROM zonepulse.deliveries WHERE zone = 'kept'"))

    ages = {"new": timedelta(hours=1), "a month old": timedelta(days=31), "a year old": timedelta(days=365)}
    with clickhouse.client() as client:
        rows = [["kept", message, datetime.now(UTC) - age] for message, age in ages.items()]
        client.insert("zonepulse.deliveries", rows, column_names=["zone", "message", "made_at"])
    assert keep_deliveries(clickhouse.settings, 400) is False and kept() == sorted(ages), "as the table was made"
    assert keep_deliveries(clickhouse.settings, 90) is True
    wait_until(lambda: kept() == ["a month old", "new"], 30, "what is older than 90 days goes")
    assert keep_deliveries(clickhouse.settings, 90) is False, "once"
    assert keep_deliveries(clickhouse.settings, 400) is True and kept() == ["a month old", "new"]
    assert keep_deliveries(replace(clickhouse.settings, clickhouse_port=free_port()), 90) is False, (
        "a store that is away stops nothing"
    )
    with clickhouse.client() as client:  # the next test's rows are its own
        client.command("ALTER TABLE zonepulse.deliveries DELETE WHERE zone = 'kept' SETTINGS mutations_sync = 1")


class Zone:
    """Its topics, and the commands as a person runs them."""

    def __init__(self, broker: Broker, clickhouse: ClickHouse, folder: Path) -> None:
        self.prefix, self.broker, self.clickhouse = f"n{uuid4().hex[:8]}.", broker, clickhouse
        ensure_topics(broker.bootstrap, self.prefix, 2, is_simulated=True)
        publish(broker.bootstrap, self.prefix, zone(more=PEOPLE), 2, timestamp_ms=1)
        self.folder = folder
        self.access = {
            "ZONEPULSE_CLICKHOUSE_PORT": str(clickhouse.port), "ZONEPULSE_CLICKHOUSE_USER": "worker",
            "ZONEPULSE_CLICKHOUSE_PASSWORD": "secret",
        }  # fmt: skip

    def run(self, *words: str, code: int = 0) -> str:
        environment = {
            **os.environ,
            **self.access,
            "ZONEPULSE_BROKER": self.broker.bootstrap,
            "ZONEPULSE_TOPIC_PREFIX": self.prefix,
        }
        done = commands.run(*words, env=environment, cwd=self.folder)
        assert done.returncode == code, done.stderr
        return f"{done.stdout}{done.stderr}"

    def deliveries(self, *words: str) -> list[dict[str, Any]]:
        return json.loads(self.run("alerts", "deliveries", "--json", *words))["deliveries"]  # type: ignore[no-any-return]

    def letters(self) -> list[dict[str, Any]]:
        found = json.loads(self.run("deadletters", "list", "--reason", UNDELIVERED, "--json"))["dead_letters"]
        return [letter for letter in found if letter["topic"].startswith(self.prefix)]

    def candidates(self) -> list[dict[str, Any]]:
        """What tasks propose to the ledger."""
        consumer = KafkaConsumer(bootstrap_servers=self.broker.bootstrap, group_id=None)
        tp = TopicPartition(f"{self.prefix}intervals", 0)
        consumer.assign([tp])
        consumer.seek_to_beginning(tp)
        found: list[dict[str, Any]] = []
        end = consumer.end_offsets([tp])[tp]
        while consumer.position(tp) < end:
            for record in consumer.poll(500).get(tp, ()):
                if block_metadata(record.value).get(KIND) == CANDIDATES:
                    found += decode_block(record.value).candidates or []
        consumer.close()
        return found


@pytest.fixture
def one(broker: Broker, clickhouse: ClickHouse, tmp_path: Path) -> Zone:
    return Zone(broker, clickhouse, tmp_path)


def say_something_of_alerts(one: Zone) -> None:
    """What a person does with the one alert that fires."""
    (listed,) = json.loads(one.run("alerts", "list", "--meter", "M", "--json"))["alerts"]
    assert (listed["rule"], listed["state"], listed["value"], listed["evidence"]) == (
        "silent_channel",
        "raised",
        12.5,
        {"register": "1.8.0"},
    )
    alert, fingerprint = listed["alert"], listed["fingerprint"]
    assert alert in one.run("alerts", "list") and "nothing fires" in one.run("alerts", "list", "--rule", "none")
    assert "silent_channel" in one.run("alerts", "show", fingerprint)
    one.run("alerts", "comment", alert, "the gateway is being moved")
    one.run("alerts", "snooze", alert, "--for", "2h")
    one.run("alerts", "silence", "meter=OTHER", "rule=stuck", "--for", "1h", "--why", "a new meter")
    assert "no alert" in one.run("alerts", "ack", "0" * 16, code=2)
    assert "is no match" in one.run("alerts", "silence", "meters=M", "--for", "1h", code=2)
    told = [t.command for t in read_commands(one.broker.bootstrap, one.prefix)]
    assert [(c.kind, c.target, c.why) for c in told] == [
        ("comment", alert, "the gateway is being moved"), ("snooze", alert, ""), ("maintenance", "meter=OTHER rule=stuck", "a new meter"),
    ]  # fmt: skip
    assert all(c.until_ms is None or c.until_ms - c.made_at_ms in (3_600_000, 7_200_000) for c in told)


def test_the_delivery_log_is_in_the_store_and_commands_show_and_forget_it(one: Zone, mails: MailServer, tmp_path: Path) -> None:
    mails.dead = {"gone@plant.example"}
    alert = transition(company="a", meter="M", starts_at=START_MS, value=12.5, evidence='{"register":"1.8.0"}')
    store = {**options(one.broker, one.clickhouse, one.prefix, tmp_path / "store"), "zone": "z"}
    with (
        process(WORKER, store, tmp_path / "store.log"),
        notify_worker(one.broker.bootstrap, one.prefix, tmp_path, **mails.environment(), **one.access),
    ):
        assert "'25:00' is no time of day" in one.run("subscribe", "new@plant.example", "--quiet", "25:00-07:00", code=2)
        hour = (datetime.now(UTC) + timedelta(hours=10)).hour  # of the zone's clock, in two hours
        wishes = ("--quiet", f"{hour:02}:00-{hour:02}:30", "--impact-kg", "5", "--rate", "30", "--digest-at", "09:00")
        said = one.run("subscribe", "new@plant.example", "--id", "new", "--language", "de", *wishes)
        new = read_people(one.broker.bootstrap, one.prefix).registered["new"]
        assert (new.quiet_from_min, new.quiet_to_min, new.impact_kg) == (hour * 60, hour * 60 + 30, 5.0)
        assert (new.rate_per_hour, new.digest_at_min) == (30, 540)
        assert "new: mailto:new@plant.example gets a test message" in said
        mails.wait_for("new@plant.example", 1, 60)
        send_alerts(one.broker.bootstrap, one.prefix, alert)
        mails.wait_for("desk@plant.example", 1, 60)
        mails.wait_for("new@plant.example", 2, 60)
        wait_until(lambda: len(one.deliveries()) >= 4, 60, "a row for each message")
        say_something_of_alerts(one)
        rows = one.deliveries()
        assert {(r["subscriber"], r["purpose"], r["outcome"]) for r in rows} == {
            ("desk", "alert", "sent"), ("gone", "alert", "dead"), ("new", "alert", "sent"), ("new", "test", "sent"),
        }  # fmt: skip
        (failed,) = one.deliveries("--failed")
        assert "550" in failed["error"] and "gone@" not in json.dumps(rows)
        wait_until(lambda: any(c["rule"] == "ops_undelivered" for c in one.candidates()), 30, "an alert about it")
        wait_until(lambda: one.letters(), 60, "a dead letter of it")
        (letter,) = one.letters()
        assert letter["topic"] == f"{one.prefix}notify" and letter["key"] in letter["value"] and "550" in letter["value"]
        assert "gone" not in letter["value"]
        shown = one.run("subscribers", "list")
        assert "mailto:n***@***.example" in shown and "new@" not in shown and "zone.yaml" in shown
        page = one.run("notify", "preview", alert["fingerprint"], "--subscriber", "gone", "--language", "zh")
        assert "没有读数" in page and (tmp_path / f"alert-{alert['fingerprint']}-zh.html").exists()
        one.run("subscribers", "test", "new")
        mails.wait_for("new@plant.example", 3, 60)
        assert "s-" not in one.run("subscribe", "li.wei", code=2), "an id that nobody chose explains nothing"
        assert "did you mean `a`" in one.run("subscribe", "li@a.example", "--company", "A", code=2)
        one.run("subscribers", "pause", "new", "--for", "8h")
        assert "new is told again" in one.run("subscribers", "resume", "new")
        write_wish(one.broker.bootstrap, one.prefix, "new", Wish(is_unsubscribed=True))
        one.run("subscribers", "pause", "new", "--for", "8h")
        assert "new has unsubscribed" in one.run("subscribers", "resume", "new", code=2), "a pause takes no wish back"
        assert "new has unsubscribed" in one.run("subscribe", "new@plant.example", code=2)
        one.run("subscribers", "forget", "new")
        wait_until(lambda: not one.deliveries("--subscriber", "new"), 30, "its rows are gone")
        assert "there are desk, gone" in one.run("subscribers", "test", "new", code=2)


def ask(url: str, data: bytes | None = None) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_links_show_pages_and_only_a_post_acts(one: Zone, mails: MailServer, tmp_path: Path) -> None:
    port = free_port()
    links = {
        "ZONEPULSE_PUBLIC_URL": f"http://127.0.0.1:{port}", "ZONEPULSE_LINK_KEYS": "k" * 32, "ZONEPULSE_LINKS_PORT": str(port),
        "ZONEPULSE_NOTIFY_REPEAT_S": "6",
    }  # fmt: skip
    alert = transition(company="a", meter="M", starts_at=START_MS)
    with notify_worker(one.broker.bootstrap, one.prefix, tmp_path, **mails.environment(), **links, **one.access):
        one.run("subscribe", "asked@plant.example", "--id", "asked", "--ask")
        (question,) = mails.wait_for("asked@plant.example", 1, 60)
        send_alerts(one.broker.bootstrap, one.prefix, alert)
        (first,) = mails.wait_for("desk@plant.example", 1, 60)[:1]
        urls = [word for word in text_of(first).split() if "/n/" in word]
        assert len(urls) == 3 and all(url in html_of(first) for url in urls)
        for url in urls:  # as a mail gateway does
            assert ask(url)[0] == 200 and ask(url)[0] == 200
        mails.wait_for("desk@plant.example", 2, 60)  # still said again: nothing was acknowledged
        assert "M, a" in ask(urls[0])[1] and ask(urls[0][:-2] + "xx", b"")[0] == 403
        assert ask(urls[1], b"")[0] == 200
        assert ask(urls[0], b"")[0] == 200
        snooze, acknowledge = (
            parse_command(r.value) for r in read_to_end(one.broker.bootstrap, f"{one.prefix}commands") if r.value
        )
        assert (snooze.kind, acknowledge.kind, snooze.who) == ("snooze", "acknowledge", "subscriber desk")
        assert snooze.until_ms == snooze.made_at_ms + 4 * HOUR_MS and snooze.target == acknowledge.target
        acknowledged = len(mails.wait_for("desk@plant.example", 2))
        agree = next(word for word in text_of(question).split() if "/n/" in word)
        assert ask(agree, b"")[0] == 200
        mails.wait_for("asked@plant.example", 2, 60)  # the test message that a subscriber gets
        stop = str(mails.to("asked@plant.example")[1]["List-Unsubscribe"]).strip("<>")
        assert ask(stop, b"List-Unsubscribe=One-Click")[0] == 200
        wait_until(lambda: "unsubscribed" in one.run("subscribers", "list"), 30, "it is unsubscribed")
        send_alerts(one.broker.bootstrap, one.prefix, transition("stuck", company="a", meter="M", starts_at=START_MS))
        wait_until(
            lambda: any("still" in str(m["Subject"]) for m in mails.to("desk@plant.example")), 60, "desk hears of the second"
        )
        told = [m for m in mails.to("desk@plant.example")[acknowledged:] if "No readings" in str(m["Subject"])]
        assert len(told) <= 1 and len(mails.to("asked@plant.example")) == 2
