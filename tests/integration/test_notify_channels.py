"""Channels against real receivers: signed webhooks that fail in every way, robots that speak the published formats, Alertmanager itself."""

import asyncio
import hashlib
import hmac
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import trustme
from live_parts import wait_until
from notify_parts import transition
from patience import patience_s
from zones import zone

from zonepulse.streams.embedded.processes.process import ChildProcess, free_port
from zonepulse.streams.notify.channels import alertmanager, robots, webhook
from zonepulse.streams.notify.messages.brief import Brief
from zonepulse.streams.notify.routing.facts import directory, parse_row
from zonepulse.streams.notify.routing.state import Known
from zonepulse.streams.notify.settings import Webhook

pytestmark = pytest.mark.integration
KEYS = (("new", "n" * 32), ("old", "o" * 32))
T0 = 1_790_000_100_000


class Receiver:
    """An HTTP server that answers as it is told and keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: Callable[[BaseHTTPRequestHandler], None] = lambda h: self.say(h, 200, b"{}")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                outer.answer(self)

            def log_message(self, *_: Any) -> None:
                return

        self.handler = Handler
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def say(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def test_a_webhook_is_signed_by_every_key_over_timestamp_and_body(receiver: Receiver) -> None:
    assert webhook.send(Webhook(receiver.url, KEYS), "key-1", b'{"a": 1}').outcome == "sent"
    ((_, headers, body),) = receiver.got
    signed = f"{headers['x-zonepulse-timestamp']}.".encode() + body
    signatures = dict(part.split("=") for part in headers["x-zonepulse-signature"].split(","))
    assert signatures == {name: hmac.new(key.encode(), signed, hashlib.sha256).hexdigest() for name, key in KEYS}
    assert headers["x-zonepulse-key"] == "key-1" and abs(time.time() - int(headers["x-zonepulse-timestamp"])) < 60


def hang(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(4)


def drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    for _ in range(40):
        try:
            handler.wfile.write(b"X")
            handler.wfile.flush()
        except OSError:
            return
        time.sleep(0.2)


@pytest.mark.parametrize(("answer", "outcome", "retry_after_s"), [
    (lambda h: Receiver.say(h, 500, b"oops"), "failed", None),
    (lambda h: Receiver.say(h, 429, b"", Retry_After="33"), "failed", 33.0),
    (lambda h: Receiver.say(h, 503, b"", Retry_After="5"), "failed", 5.0),
    (lambda h: Receiver.say(h, 410, b""), "refused", None),
    (lambda h: Receiver.say(h, 302, b"", Location="http://127.0.0.1:1/"), "failed", None),
    (hang, "failed", None),
    (drip, "failed", None),
    (lambda h: h.connection.close(), "failed", None),
])  # fmt: skip
def test_a_receiver_in_trouble_is_told_apart(
    answer: Any, outcome: str, retry_after_s: float | None, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_S", 1.5)
    receiver.answer = answer
    found = webhook.send(Webhook(receiver.url, KEYS), "key", b"{}")
    assert (found.outcome, found.retry_after_s) == (outcome, retry_after_s)
    assert "n" * 32 not in found.error and receiver.url not in found.error


def test_a_receiver_that_is_away_is_a_failure() -> None:
    assert webhook.send(Webhook(f"http://127.0.0.1:{free_port()}/", KEYS), "key", b"{}").outcome == "failed"


class Internet:
    """A proxy that is every robot's host: TLS with certificates of its own authority, answered by a Receiver."""

    def __init__(self, receiver: Receiver, folder: Path) -> None:
        self._receiver = receiver
        self._authority = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca_file))
        self.hosts: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._tunnel, args=(connection,), daemon=True).start()

    def _tunnel(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4_096)
        host = head.split()[1].decode().partition(":")[0]
        self.hosts.append(host)
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._authority.issue_cert(host).configure_cert(context)
        with context.wrap_socket(connection, server_side=True) as secure:
            self._receiver.handler(secure, ("127.0.0.1", 0), self._receiver.server)  # type: ignore[arg-type]

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def internet(receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Internet]:
    internet = Internet(receiver, tmp_path)
    monkeypatch.setenv("HTTPS_PROXY", internet.url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(internet.ca_file))
    monkeypatch.delenv("NO_PROXY", raising=False)
    yield internet
    internet.close()


LONG = Brief(
    "12 条告警",
    tuple(f"▲ 严重：数值异常\n位置：TC-{n:04}-E1, 浏河钢铁厂" + "很长" * 100 for n in range(40)),
    9_960,
    "zonepulse · 园区",
    "另有 {count} 条",
)
ROBOTS = {
    "wecombot": ("wecombot://12345678-1234-1234-1234-123456789abc", "qyapi.weixin.qq.com", b'{"errcode":0,"errmsg":"ok"}'),
    "dingtalk": ("dingtalk://SEC12345678@abcdefghij0123456789", "oapi.dingtalk.com", b'{"errcode":0,"errmsg":"ok"}'),
    "feishu": ("feishu://abcdefgh-1234-1234-1234-abcdefgh1234", "open.feishu.cn", b'{"code":0,"msg":"success"}'),
    "teams": ("workflows://plant.example/workflowid/signature", "plant.example", b""),
    "slack": ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "hooks.slack.com", b"ok"),
    "discord": ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "discord.com", b""),
    "ntfy": ("ntfys://ntfy.sh/plant-alerts", "ntfy.sh", b'{"id":"hwQ2YpKdmg","event":"message"}'),
    "twilio": (f"twilio://AC{'a' * 32}:{'b' * 32}@15551230001/15551230002", "api.twilio.com", b'{"status":"queued"}'),
}
STATUS = {"teams": 202, "discord": 204, "twilio": 201}


def text_of(name: str, body: bytes) -> str:
    """What the people behind a service read, by its published format."""
    if name == "twilio":
        return parse_qs(body.decode())["Body"][0]
    sent = json.loads(body)
    if name == "slack":
        return "\n".join(str(part["text"]) for part in sent["attachments"])
    if name in ("discord", "ntfy"):
        return str(sent["content" if name == "discord" else "message"])
    return str(sent["text"]["content"]) if name in ("wecombot", "dingtalk") else json.dumps(sent, ensure_ascii=False)


@pytest.mark.parametrize("name", ROBOTS)
def test_a_flood_reaches_every_robot_within_its_limit_the_first_alert_first(
    name: str, receiver: Receiver, internet: Internet
) -> None:
    url, host, ok = ROBOTS[name]
    receiver.answer = lambda h: Receiver.say(h, STATUS.get(name, 200), ok)
    assert robots.send(url, "主题", LONG).outcome == "sent"
    assert internet.hosts == [host] and len(receiver.got) == 1, "one message, not split"
    text = text_of(name, receiver.got[0][2])
    read = text.replace("\\\\-", "-")  # what is markup to Teams
    assert "TC-0000-E1" in read and (name == "twilio" or ("另有 99" in read and "zonepulse" in read))
    in_bytes = {"wecombot": 2_048, "dingtalk": 20_000, "feishu": 30_000, "teams": 28_000, "slack": 40_000, "ntfy": 4_096}
    assert len(text.encode()) <= in_bytes[name] if name in in_bytes else len(text) <= {"discord": 2_000, "twilio": 160}[name]


@pytest.mark.parametrize(("name", "answer", "retry"), [
    ("wecombot", b'{"errcode":45009,"errmsg":"api freq out of limit"}', 60.0),
    ("wecombot", b'{"errcode":93000,"errmsg":"invalid webhook url"}', None),
    ("dingtalk", b'{"errcode":130101,"errmsg":"send too fast"}', 60.0),
    ("dingtalk", b'{"errcode":310000,"errmsg":"keywords not in content"}', None),
    ("feishu", b'{"code":19024,"msg":"Key Words Not Found"}', None),
])  # fmt: skip
def test_http_200_with_an_error_code_is_a_failure(
    name: str, answer: bytes, retry: float | None, receiver: Receiver, internet: Internet
) -> None:
    receiver.answer = lambda h: Receiver.say(h, 200, answer)
    found = robots.send(ROBOTS[name][0], "s", LONG)
    assert (found.outcome, found.retry_after_s) == ("failed", retry)
    assert "abcdefghij0123456789" not in found.error and "SEC12345678" not in found.error
    assert str(json.loads(answer).get("errcode", json.loads(answer).get("code"))) in found.error


def test_a_robot_that_is_away_or_misspelt_is_a_failure_that_says_why(receiver: Receiver, internet: Internet) -> None:
    receiver.answer = lambda h: Receiver.say(h, 502, b"")
    assert "502" in robots.send(ROBOTS["teams"][0], "s", LONG).error
    internet.close()
    assert robots.send(ROBOTS["feishu"][0], "s", LONG).outcome == "failed"
    assert "apprise URL" in robots.send("nosuch://x", "s", LONG).error


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Debian's Alertmanager with a route; its address, and amtool."""
    program, amtool = (shutil.which(n) for n in ("prometheus-alertmanager", "amtool"))
    assert program and amtool, "not on PATH: as root, `apt-get install prometheus-alertmanager` (Debian) brings it"
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: ops, group_by: [site, alertname]}\nreceivers: [{name: ops}]\n")
    subprocess.run([amtool, "check-config", str(config)], check=True, capture_output=True)
    port = free_port()
    argv = [
        program,
        f"--config.file={config}",
        f"--storage.path={tmp_path}/am",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    child = ChildProcess("Alertmanager", argv, tmp_path / "alertmanager.log")
    child.start()
    try:
        child.wait_or_stop(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, patience_s(30))
        yield f"http://127.0.0.1:{port}", amtool
    finally:
        child.stop()


def test_alertmanager_holds_what_fires_keeps_it_by_re_sending_and_lets_go_of_what_ended(manager: tuple[str, str]) -> None:
    url, amtool = manager
    now_ms, known = round(time.time() * 1000), directory(zone())

    def entry(rule: str, state: str = "raised", **facts: Any) -> Known:
        row = parse_row(json.dumps(transition(rule, state, company="a", meter="M", starts_at=now_ms - 600_000, **facts)).encode())
        return Known(row, now_ms - 1_000, "g")

    def send(*entries: Known) -> str:
        alerts = [*alertmanager.postable(entries, known, now_ms), alertmanager.watchdog("z", now_ms)]
        return asyncio.run(alertmanager.post(url, alerts))

    def shown() -> dict[str, str]:
        done = subprocess.run(
            [amtool, f"--alertmanager.url={url}", "alert", "query", "-o", "json"], check=True, capture_output=True, text=True
        )
        return {a["labels"]["alertname"]: a["fingerprint"] for a in json.loads(done.stdout)}

    assert send(entry("silent_channel"), entry("stuck", value=3.5, evidence='{"register":"1.8.0"}')) == ""
    wait_until(lambda: set(shown()) == {"silent_channel", "stuck", "Watchdog"}, 30, "three alerts")
    before = shown()
    assert send(entry("silent_channel"), entry("stuck", value=7.5, revision=9)) == ""
    assert shown() == before, "the same alerts, whatever their values"
    assert send(entry("silent_channel", "resolved", ends_at=now_ms - 1_000, revision=2), entry("stuck")) == ""
    wait_until(lambda: set(shown()) == {"stuck", "Watchdog"}, 30, "one ended")
    assert "HTTP 400" in asyncio.run(alertmanager.post(url, [{"labels": {}}]))
    assert "Error" in asyncio.run(alertmanager.post(f"http://127.0.0.1:{free_port()}", [{"labels": {"a": "b"}}]))
