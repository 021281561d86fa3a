"""Draws the pictures of docs/notifications.md: a message of every kind in every language, as a browser shows it on a phone.

    .venv/bin/python docs/notifications/gallery.py

Ends with an error where a message with names as long as they may be is wider than a small phone.

Needs chromium and a Chinese font: on Debian `apt-get install chromium fonts-noto-cjk`.
"""

import base64
import html
import math
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from zonepulse.schemas.languages import LANGUAGES
from zonepulse.schemas.registry.subscribers import Subscriber
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.notify.channels.mail import PICTURE
from zonepulse.streams.notify.composing import Composer
from zonepulse.streams.notify.messages.pages import Message
from zonepulse.streams.notify.messages.picture import History
from zonepulse.streams.notify.routing.facts import Directory, Row, directory
from zonepulse.streams.notify.routing.state import Kind, Parcel
from zonepulse.streams.notify.settings import NotifySettings

FOLDER = Path(__file__).parent
WINDOW_MS, HOUR_MS = 900_000, 3_600_000
NOW_MS = 1_795_329_900_000
PHONE_PX, SMALL_PHONE_PX = 390, 320
FIT = "this.height = this.contentDocument.documentElement.scrollHeight"
TELL = "document.title = document.documentElement.scrollHeight"
WIDEST = (
    "document.title = Math.max(...[...document.querySelectorAll('iframe')].map(f => f.contentDocument.documentElement.scrollWidth))"
)
TARIFF = "{id: grid, carrier: electricity, price: 0.72, currency: CNY, unit: kWh, source: contract 2026-17, valid_from: 2026-01-01}"
LONG = {
    "en": "Donau-Dampfschifffahrtselektrizitaetenhauptbetriebswerkbauunterbeamtengesellschaft",
    "de": "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    "zh": "上海国际汽车城精密机械制造有限责任公司第三分公司新能源汽车动力电池系统集成事业部",
}
KINDS: tuple[Kind, ...] = ("alert", "group", "repeat", "escalation", "digest", "flood", "test", "confirm")


def rows(zone: str) -> list[Row]:
    first = Row(
        zone, "1123456789abcdef", NOW_MS - 2 * HOUR_MS, "unusual", "critical", "raised", 1, company="steelworks", meter="TC-0101-E1",
        value=612.5, expected_low=120.0, expected_high=290.25, impact_kg=181.4, evidence='{"register":"1.8.0"}',
    )  # fmt: skip
    silent = Row(
        zone, "0123456789abcdef", NOW_MS - HOUR_MS, "silent_channel", "warning", "raised", 1, company="steelworks", meter="TC-0101-E1",
        evidence='{"register":"1.8.0","windows":3}',
    )  # fmt: skip
    missing = Row(zone, "2123456789abcdef", NOW_MS - 26 * HOUR_MS, "no_factor", "critical", "raised", 1, company="bakery")
    unexplained = Row(
        zone, "3123456789abcdef", NOW_MS - 5 * HOUR_MS, "unexplained_energy", "warning", "raised", 1, node="n-mill", value=41.25
    )
    return [first, missing, silent, unexplained]


def history(*_: object) -> History:
    starts = [NOW_MS - (96 - i) * WINDOW_MS for i in range(96)]
    usual = [200 + 70 * math.sin(i / 96 * 2 * math.pi - 1) + 9 * math.sin(i * 1.7) for i in range(96)]
    values: list[float | None] = [u if i < 88 else 540 + 60 * math.sin(i) for i, u in enumerate(usual)]
    values[40:44] = [None] * 4
    return History(starts, values, WINDOW_MS, "kWh", 120.0, 290.25)


def messages(language: str, known: Directory) -> list[tuple[str, Message]]:
    desk = replace(Subscriber("energy-desk", ("mailto:desk@zone.example",)), language=language)  # type: ignore[arg-type]
    composer = Composer(
        NotifySettings(
            public_url="https://zone.example",
            link_keys=("0" * 32,),
            grafana_url="https://grafana.zone.example",
            board_url="https://board.zone.example",
        ),
        history,
    )
    every, found = rows(known.zone), []
    shown = {"alert": 1, "group": 3, "repeat": 1, "escalation": 1, "digest": 4, "flood": 4, "test": 0, "confirm": 0}
    for kind in KINDS:
        told = every[: shown[kind]]
        what = "escalated" if kind == "escalation" else "raised"
        items = [(row.identity, what) for row in told] + ([("f/1", what)] * 9_996 if kind == "flood" else [])
        parcel = Parcel(
            "k", desk.id, desk.to[0], kind, NOW_MS, items, [(what, row) for row in told], {"critical": min(2, len(told))}
        )
        found.append((kind, composer.message(parcel, desk, known, NOW_MS)))
    over = replace_row(every[0])
    parcel = Parcel("k", desk.id, desk.to[0], "alert", NOW_MS, [(over.identity, "resolved")], [("resolved", over)])
    return [*found[:1], ("resolved", composer.message(parcel, desk, known, NOW_MS)), *found[1:]]


def replace_row(row: Row) -> Row:
    from msgspec.structs import replace as changed

    return changed(row, state="resolved", ends_at=NOW_MS - HOUR_MS // 2, revision=2)


def page(found: list[tuple[str, Message]], width: int = PHONE_PX, then: str = TELL) -> str:
    """All messages side by side, each as wide as a phone."""
    frames = []
    for kind, message in found:
        inline = "data:image/png;base64," + base64.b64encode(message.picture).decode()
        source = html.escape(message.html.replace(f"cid:{PICTURE}", inline), quote=True)
        frames.append(
            f'<figure style="margin:8px;width:392px"><figcaption style="font:600 15px system-ui,\'Noto Sans CJK SC\'">{kind}<br>'
            f'<span style="font-weight:400">{html.escape(message.subject)}</span></figcaption>'
            f'<iframe srcdoc="{source}" width="{width}" scrolling="no" onload="{FIT}" style="border:1px solid #999"></iframe></figure>'
        )
    style = "display:flex;flex-wrap:wrap;align-items:flex-start;margin:0"
    return f'<meta charset="utf-8"><body style="{style}" onload="{then}">{"".join(frames)}</body>'


def browsed(text: str, target: Path | None, width: int) -> int:
    """What the page says in its title when it is there: how high it is, to be drawn whole, or how wide."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "page.html"
        source.write_text(text, "utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/profile"]

        def browse(what: str, height: int) -> str:
            argv = ["chromium", *options, what, f"--window-size={width},{height}", source.as_uri()]
            return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120).stdout

        told = re.search(r"<title>(\d+)</title>", browse("--dump-dom", 800))
        assert told is not None, "the browser did not say how large the page is"
        if target is not None:
            browse(f"--screenshot={target}", int(told[1]))
        return int(told[1])


def with_long_names(known: Directory, language: str) -> Directory:
    """The zone, its company and site called as long as can be."""
    name = {language: LONG[language]}
    meters = {i: replace(m, site=LONG["en"], gateway=LONG["en"]) for i, m in known.meters.items()}
    return replace(known, zone_name=name, companies=dict.fromkeys(known.companies, name), meters=meters)


def main() -> None:
    text = files("zonepulse.deploy").joinpath("demo", "zone.yaml").read_text("utf-8")
    zone = parse_zone(f"{text}\ntariffs:\n  - {TARIFF}\n")
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for language in LANGUAGES:
        found = messages(language, directory(zone))
        browsed(page(found), out / f"messages-{language}.png", 3 * (PHONE_PX + 20))
        widest = browsed(page(messages(language, with_long_names(directory(zone), language)), SMALL_PHONE_PX, WIDEST), None, 1_200)
        assert widest <= SMALL_PHONE_PX, f"{language}: {widest} px"
        (out / f"alert-{language}.txt").write_text(f"Subject: {found[0][1].subject}\n\n{found[0][1].text}", "utf-8")


if __name__ == "__main__":
    main()
