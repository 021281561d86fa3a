"""Chaos for notification: two workers are killed and put to sleep, Kafka and receivers go away, while alerts of two companies come and end.

Then everything is counted: what each subscriber should have heard and has (by the delivery log and by what its receiver took), what came
twice, and what a subscriber of one company got of the other.
"""

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from zonepulse.schemas.messages.alerts import alert_key, fingerprint
from zonepulse.schemas.messages.arrow_blocks import is_plain, read_table
from zonepulse.schemas.tables.results import DELIVERIES
from zonepulse.schemas.values import canonical_json
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.embedded.processes.supervisor import Restart
from zonepulse.streams.embedded.zone_stack import ZoneStack

METERS: Final = 6
COMPANIES: Final = ("acorn", "birch")
PEOPLE: Final = {"desk": "", "acorn-1": "acorn", "acorn-2": "acorn", "birch-1": "birch"}
KEY: Final = "k" * 32
RESTART: Final = Restart(first_s=0.5, longest_s=2.0, healthy_s=10.0)
EVERY_S: Final = 0.5
ASLEEP_S: Final = 12.0
"""Longer than a session: the partition goes to the other worker meanwhile."""
PATIENCE_S: Final = 240.0
Say = Callable[[str], None]
Alert = dict[str, Any]


@dataclass(slots=True)
class Receivers:
    """One server for all webhooks. `mood` decides what it answers."""

    mood: str = "well"
    got: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _server: ThreadingHTTPServer | None = None

    def start(self) -> int:
        """Listens; its port."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.mood == "well":
                    outer.got.setdefault(self.path[1:], []).append(json.loads(body))
                elif outer.mood == "silent":
                    time.sleep(2)
                    return
                self.send_response(200 if outer.mood == "well" else 503)
                self.send_header("Retry-After", "2")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="receivers", daemon=True).start()
        return int(self._server.server_port)

    def stop(self) -> None:
        """Listens no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


def zone_yaml() -> str:
    """Two companies with a few meters each, and their people."""
    register = '{"1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000}}'
    lines = ["zone: {id: chaos, timezone: UTC, factor_regions: [CN], key: meter}", "companies:"]
    lines += [f"  - {{id: {name}}}" for name in COMPANIES]
    lines += ["sites:", *(f"  - {{id: site-{name}, company: {name}}}" for name in COMPANIES), "meters:"]
    for name in COMPANIES:
        lines += [f"  - {{id: {name}-M{n}, site: site-{name}, role: main, registers: {register}}}" for n in range(METERS)]
    lines.append("subscribers:")
    for name, company in PEOPLE.items():
        only = f", company: {company}" if company else ""
        lines.append(f'  - {{id: {name}, to: ["webhook:{name}"], rate_per_hour: 100000{only}}}')
    return "\n".join(lines) + "\n"


def planned_alerts(seed: int, count: int) -> list[tuple[float, Alert]]:
    """(second, transition) in order: each alert is raised; every other one ends some time later."""
    chance, found = random.Random(seed), []
    for n in range(count):
        company = chance.choice(COMPANIES)
        meter, rule = f"{company}-M{chance.randrange(METERS)}", chance.choice(["silent_channel", "stuck", "register_held"])
        labels = {"zone": "chaos", "rule": rule, "meter": meter}
        row = {
            "zone": "chaos", "fingerprint": fingerprint(labels), "starts_at": 1_790_000_000_000 + n, "rule": rule,
            "severity": chance.choice(["warning", "critical"]), "state": "raised", "company": company, "meter": meter, "node": "",
            "ends_at": None, "value": float(n), "expected_low": None, "expected_high": None, "impact_kg": None,
            "evidence": canonical_json({"register": "1.8.0", "others": [f"{c}-M0" for c in COMPANIES]}), "revision": 2 * n + 1,
        }  # fmt: skip
        at_s = n * EVERY_S
        found.append((at_s, row))
        if n % 2:
            end = {"state": "resolved", "ends_at": 1_790_000_100_000 + n, "revision": 2 * n + 2}
            found.append((at_s + chance.uniform(10, 40), row | end))
    return sorted(found, key=lambda one: one[0])


def run_notify_chaos(seed: int, faults: int, alerts: int, say: Say) -> dict[str, Any]:
    """Counts of what was delivered, doubled, lost and leaked, and the faults that were made."""
    chance, made, receivers = random.Random(seed + 1), Counter[str](), Receivers()
    port = receivers.start()
    plan = planned_alerts(seed, alerts)
    with ZoneStack(1, is_simulated=True, restart=RESTART) as stack:
        publish(stack.kafka, "zp.", parse_zone(zone_yaml()), 1, timestamp_ms=1)
        hooks = {f"ZONEPULSE_WEBHOOK_{n.upper().replace('-', '_')}": f"http://127.0.0.1:{port}/{n}" for n in PEOPLE}
        keys = {f"{name}_KEYS": f"id:{KEY}" for name in hooks}
        pace = {"ZONEPULSE_NOTIFY_WAIT_S": "1", "ZONEPULSE_NOTIFY_INTERVAL_S": "1"}
        for instance in ("0", "1"):
            stack.start_worker("notify", instance, {**hooks, **keys, **pace})
        begun, length_s = time.monotonic(), plan[-1][0]
        times = sorted(chance.uniform(5, max(6.0, length_s)) for _ in range(faults))
        kinds = [chance.choice(["kill", "kill", "sleep", "kafka", "receivers 503", "receivers hang"]) for _ in times]
        for at_s, what in _schedule(plan, list(zip(times, kinds, strict=True))):
            time.sleep(max(0.0, begun + at_s - time.monotonic()))
            if isinstance(what, str):
                say(f"{at_s:5.0f} s  {what}")
                made[what] += 1
                _break(stack, receivers, what, chance)
            else:
                _send(stack.kafka, what)
        receivers.mood = "well"
        deadline = time.monotonic() + PATIENCE_S
        while (result := counted(plan, receivers.got, _told(stack.kafka)))["lost"] and time.monotonic() < deadline:
            time.sleep(2)
        time.sleep(3)  # what comes twice comes late
        result = counted(plan, receivers.got, _told(stack.kafka))
    receivers.stop()
    return {"seed": seed, "faults": dict(made), **result}


def _schedule(plan: list[tuple[float, Alert]], faults: list[tuple[float, str]]) -> Iterator[tuple[float, Alert | str]]:
    every: list[tuple[float, Alert | str]] = [*plan, *faults]
    yield from sorted(every, key=lambda one: one[0])


def _break(stack: ZoneStack, receivers: Receivers, what: str, chance: random.Random) -> None:
    """Begins a fault; it ends by itself."""
    worker = stack.workers[f"notify-{chance.randrange(2)}"]
    if what == "kill":
        _signal(worker.pid, signal.SIGKILL)
    elif what == "sleep":
        _signal(worker.pid, signal.SIGSTOP)
        threading.Timer(ASLEEP_S, _signal, (worker.pid, signal.SIGCONT)).start()
    elif what == "kafka":
        _signal(stack.broker.pid, signal.SIGKILL)
        stack.broker.process.stop()
        time.sleep(2)
        stack.broker.start()
    else:
        receivers.mood = "503" if what.endswith("503") else "silent"
        threading.Timer(chance.uniform(2, 8), setattr, (receivers, "mood", "well")).start()


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _send(broker: str, row: Alert) -> None:
    """As the ledger writes it; again until the broker has it."""
    while True:
        try:
            producer = KafkaProducer(bootstrap_servers=broker.split(","), acks="all", bootstrap_timeout_ms=5_000)
            try:
                key = alert_key(row["fingerprint"], row["starts_at"])
                producer.send("zp.alerts", key=key, value=canonical_json(row).encode(), partition=0).get(30)
            finally:
                producer.close()
            return
        except (KafkaError, OSError):
            time.sleep(0.5)


def _told(broker: str) -> set[tuple[str, str, str, str]]:
    """(subscriber, identity, said, message) of everything that the delivery log calls sent."""
    consumer = KafkaConsumer(bootstrap_servers=broker.split(","), group_id=None, enable_auto_commit=False)
    tp, found = TopicPartition("zp.results", 0), set()
    consumer.assign([tp])
    consumer.seek_to_beginning(tp)
    end = consumer.end_offsets([tp])[tp]
    while consumer.position(tp) < end:
        for record in consumer.poll(500).get(tp, ()):
            if record.key == DELIVERIES.name.encode():
                rows = read_table(record.value, {c.name: is_plain for c in DELIVERIES.stored}, 100_000).to_pylist()
                for row in rows:
                    if row["outcome"] == "sent":
                        identity = alert_key(row["fingerprint"], round(row["starts_at"].timestamp() * 1000)).decode()
                        found.add((row["subscriber"], identity, row["said"], row["message"]))
    consumer.close()
    return found


def counted(
    plan: list[tuple[float, Alert]], got: dict[str, list[dict[str, Any]]], told: set[tuple[str, str, str, str]]
) -> dict[str, Any]:
    """What was delivered, lost, doubled and leaked, by the plan, the receivers and the delivery log."""
    keys = {(name, message["key"]) for name, messages in got.items() for message in messages}
    heard = {(name, identity, said) for name, identity, said, key in told if (name, key) in keys}
    rows = [(alert_key(row["fingerprint"], row["starts_at"]).decode(), row) for _, row in plan]
    ended = {identity for identity, row in rows if row["state"] == "resolved"}
    lost = 0
    for identity, row in rows:
        for name, company in PEOPLE.items():
            if company not in ("", row["company"]):
                continue
            begun = (name, identity, "raised") in heard
            if row["state"] == "raised" and identity not in ended:
                lost += not begun
            elif row["state"] == "resolved" and begun:
                lost += (name, identity, "resolved") not in heard
    messages = Counter((name, message["key"]) for name, several in got.items() for message in several)
    return {
        "alerts": len({identity for identity, _ in rows}),
        "messages": len(messages),
        "delivered": len(heard),
        "doubled": sum(count - 1 for count in messages.values()),
        "lost": lost,
        "leaked": sum(_is_leak(name, message) for name, several in got.items() for message in several),
    }


def _is_leak(name: str, message: dict[str, Any]) -> bool:
    """Whether a subscriber of one company got a word about another."""
    text = json.dumps(message)
    return any(other in text for other in COMPANIES if PEOPLE[name] and other != PEOPLE[name])
