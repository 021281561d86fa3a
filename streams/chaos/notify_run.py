"""Chaos for notification: two workers are killed and put to sleep, Kafka and receivers go away, while alerts of two companies come and end.

Then, when nothing waits to be told any more by notification's own log, everything is counted (notify_counts.py).
"""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from zonepulse.schemas.messages.alerts import alert_key
from zonepulse.schemas.messages.arrow_blocks import is_plain, read_table
from zonepulse.schemas.messages.topics import NOTIFY, RESULTS
from zonepulse.schemas.tables.results import DELIVERIES
from zonepulse.schemas.values import canonical_json
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.chaos.notify_counts import PEOPLE, Alert, Seen, Waiting, counted, planned_alerts, waiting_in, zone_yaml
from zonepulse.streams.control.registry_topic import publish
from zonepulse.streams.embedded.processes.supervisor import Restart
from zonepulse.streams.embedded.zone_stack import ZoneStack
from zonepulse.streams.notify.routing.delivery import LONGEST_REST_MS
from zonepulse.streams.notify.routing.state import BadEntry, State

KEY: Final = "k" * 32
RESTART: Final = Restart(first_s=0.5, longest_s=2.0, healthy_s=10.0)
ASLEEP_S: Final = 12.0
"""Longer than a session: the partition goes to the other worker meanwhile."""
PATIENCE_S: Final = LONGEST_REST_MS / 1000
"""Without any progress: a target's rest is the longest wait that stands in no log."""
LOG_LINES: Final = 100
Say = Callable[[str], None]


@dataclass(slots=True)
class Receivers:
    """One server for all webhooks. `mood` decides what it answers."""

    now_s: Callable[[], float]
    mood: str = "well"
    got: dict[str, list[tuple[float, dict[str, Any]]]] = field(default_factory=dict)
    _server: ThreadingHTTPServer | None = None

    def start(self) -> int:
        """Listens; its port."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.mood == "well":
                    outer.got.setdefault(self.path[1:], []).append((outer.now_s(), json.loads(body)))
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


def run_notify_chaos(seed: int, faults: int, alerts: int, say: Say) -> dict[str, Any]:
    """Counts of what was delivered, doubled, lost and leaked, by kind of fault; of what was lost, what is known of it."""
    chance, seen = random.Random(seed + 1), Seen()
    begun = time.monotonic()
    receivers = Receivers(lambda: time.monotonic() - begun)
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
            now_s = time.monotonic() - begun
            if isinstance(what, str):
                say(f"{now_s:5.0f} s  {what}")
                seen.faults.append((now_s, what))
                _break(stack, receivers, what, chance)
            else:
                _send(stack.kafka, what)
                seen.sent.append((now_s, what))
        receivers.mood = "well"
        is_settled = _settled(stack.kafka, seen, say)
        seen.got, rows = receivers.got, _delivery_rows(stack.kafka)
        seen.told = {(row["subscriber"], _identity(row), row["said"], row["message"]) for row in rows if row["outcome"] == "sent"}
        result = counted(seen)
        lines = _log_lines(stack) if result["missing"] else []
    receivers.stop()
    for one in result["missing"]:
        mine = [row for row in rows if (row["subscriber"], _identity(row)) == (one["subscriber"], one["alert"])]
        one["deliveries"] = [{name: row[name] for name in ("message", "said", "outcome", "attempts", "error")} for row in mine]
    return {"seed": seed, "is_settled": is_settled, **result, "log": lines}


def _settled(broker: str, seen: Seen, say: Say) -> bool:
    """Returns when nothing waits to be told any more, by notification's own log; False where it made no progress for longer than the
    longest wait that it may order. However slow the machine is, it is waited for as long as it goes on.
    """
    before, waiting, deadline = None, Waiting(), 0.0
    while True:
        with suppress(KafkaError, OSError):
            waiting = _waiting(broker, seen)
            if waiting.is_empty:
                return True
        if waiting != before:
            before, now_s = waiting, time.monotonic()
            deadline = now_s + PATIENCE_S + max(0.0, waiting.next_try_ms / 1000 - time.time())
        elif time.monotonic() > deadline:
            say(f"no progress: {waiting}")
            return False
        time.sleep(2)


def _waiting(broker: str, seen: Seen) -> Waiting:
    """What notification's log says is still to be done. Raises kafka.errors.KafkaError."""
    state = State()
    for record in _records(broker, NOTIFY.full_name("zp.")):
        with suppress(BadEntry):  # the mark of a worker that read the log
            state.put((record.key or b"").decode(), record.value or None)
    return waiting_in(state, seen)


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
            producer = KafkaProducer(**connection_to(broker), acks="all", bootstrap_timeout_ms=5_000)
            try:
                key = alert_key(row["fingerprint"], row["starts_at"])
                producer.send("zp.alerts", key=key, value=canonical_json(row).encode(), partition=0).get(30)
            finally:
                producer.close()
            return
        except (KafkaError, OSError):
            time.sleep(0.5)


def _records(broker: str, topic: str) -> Iterator[Any]:
    """What a topic of one partition holds now, without what was rolled back. Raises kafka.errors.KafkaError."""
    consumer = KafkaConsumer(**connection_to(broker), group_id=None, enable_auto_commit=False, isolation_level="read_committed")
    with closing(consumer):
        tp = TopicPartition(topic, 0)
        consumer.assign([tp])
        consumer.seek_to_beginning(tp)
        end = consumer.end_offsets([tp])[tp]
        while consumer.position(tp) < end:
            yield from consumer.poll(500).get(tp, ())


def _delivery_rows(broker: str) -> list[dict[str, Any]]:
    """The delivery log."""
    kinds = {c.name: is_plain for c in DELIVERIES.stored}
    blocks = (record.value for record in _records(broker, RESULTS.full_name("zp.")) if record.key == DELIVERIES.name.encode())
    return [row for block in blocks for row in read_table(block, kinds, 100_000).to_pylist()]


def _identity(row: dict[str, Any]) -> str:
    return alert_key(row["fingerprint"], round(row["starts_at"].timestamp() * 1000)).decode()


def _log_lines(stack: ZoneStack) -> list[str]:
    """What the workers said last."""
    found = []
    for name, worker in stack.workers.items():
        lines = worker.log.read_text("utf-8", "replace").splitlines() if worker.log.exists() else []
        found += [f"{name}: {line}" for line in lines if "ERROR" in line or "WARN" in line][-LOG_LINES:]
    return found
