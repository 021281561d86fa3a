"""What messages say: short subjects, no foreign markup, every text in every language, bytes that fit."""

import ast
import json
import re
from email import message_from_string
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from notify_parts import transition
from zones import zone

from zonepulse.schemas.languages import LANGUAGES
from zonepulse.schemas.messages.alerts import PIPELINE_RULES
from zonepulse.schemas.registry.subscribers import Subscriber
from zonepulse.schemas.values import CONTROLS
from zonepulse.streams.notify import messages
from zonepulse.streams.notify.channels import mail
from zonepulse.streams.notify.composing import Composer
from zonepulse.streams.notify.messages.brief import Brief, Limit, fit, flat
from zonepulse.streams.notify.messages.pages import Message
from zonepulse.streams.notify.messages.picture import History, draw, fonts_with
from zonepulse.streams.notify.messages.rule_texts import RULE_TEXTS, SEVERITY_TEXTS
from zonepulse.streams.notify.messages.views import STATES
from zonepulse.streams.notify.messages.words import Words, catalogue, clean
from zonepulse.streams.notify.own_templates import checked
from zonepulse.streams.notify.routing.facts import Row, directory, parse_row
from zonepulse.streams.notify.routing.state import Kind, Parcel
from zonepulse.streams.notify.settings import NotifySettings
from zonepulse.streams.settings import BadSetting

FOLDER = Path(next(iter(messages.__path__)))
T0 = 1_790_000_100_000
EVIL = "<script>alert(1)</script>\r\nBcc: everybody@plant.example\u202egnp"
KNOWN = directory(
    zone(("  - {id: a}", "  - {id: a, name: {en: 'A & <b>Sons</b>', zh: 上海国际汽车城精密机械制造有限责任公司第三分公司}}"))
)


def row(**facts: Any) -> Row:
    return parse_row(json.dumps(transition(**({"company": "a", "meter": "M", "starts_at": T0} | facts))).encode())


def made(*rows: Row, language: Any = "en", kind: Kind = "alert", said: str = "raised") -> Message:
    reader = Subscriber("desk", ("mailto:desk@plant.example",), language=language)
    parcel = Parcel("k", "desk", reader.to[0], kind, T0, [(r.identity, said) for r in rows], [(said, r) for r in rows])
    return Composer(NotifySettings()).message(parcel, reader, KNOWN, T0 + 3_600_000)


texts = st.text(max_size=60)


@settings(max_examples=40)
@given(st.sampled_from(LANGUAGES), st.sampled_from(sorted(RULE_TEXTS)), texts, st.floats(allow_nan=False, allow_infinity=False) | st.none(),
       st.sampled_from(["raised", "resolved", "escalated"]), st.integers(1, 30))  # fmt: skip
def test_a_subject_has_fewer_than_70_characters_in_one_line(
    language: str, rule: str, name: str, value: float | None, said: str, count: int
) -> None:
    rows = [row(rule=rule, meter=name, value=value, impact_kg=value, starts_at=T0 + i) for i in range(count)]
    subject = made(*rows, language=language, said=said, kind="alert" if count == 1 else "group").subject
    assert 0 < len(subject) < 70 and len(subject.splitlines()) == 1 and not CONTROLS.search(subject)


def test_a_subject_says_what_where_how_much_and_since_when() -> None:
    subject = made(row(rule="unusual", severity="critical", impact_kg=1312.4)).subject
    assert subject == "▲ Critical: Unusual value · M · 1,312 kg CO2e · 22:15"


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_never_become_markup_or_headers(language: str) -> None:
    evil = row(meter=EVIL, node=EVIL, rule="r" + EVIL, evidence=json.dumps({"register": EVIL}))
    message = made(evil, language=language)
    assert "<script" not in message.html and "<b>Sons" not in message.html and "\u202e" not in message.html + message.text
    assert not re.search("^Bcc:", message.text, re.MULTILINE)
    built = mail.build(message, "desk@plant.example", "z@plant.example", EVIL, "k" * 24, "t" * 24, T0, "https://x.example/n/t")
    read = message_from_string(built.as_string(), policy=default)
    assert "bcc" not in {name.lower() for name in read} and read["To"] == "desk@plant.example"
    for text in (*message.brief.alerts, message.brief.heading):
        assert not set("<>[]*`@") & set(text)


def test_a_mail_has_a_life_a_key_a_plain_text_a_page_its_picture_and_a_way_out() -> None:
    message = Message("S", "text\n", '<img src="cid:last-24-hours.png">', Brief("", (), 0, "", ""), b"\x89PNG")
    built = mail.build(message, "desk@plant.example", "z@plant.example", "Zone", "key", "life", T0, "https://x.example/n/t")
    read = message_from_string(built.as_string(), policy=default)
    assert (read["Message-ID"], read["References"]) == ("<key@plant.example>", "<life.thread@plant.example>")
    assert read["List-Unsubscribe"] == "<https://x.example/n/t>" and read["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    kinds = [part.get_content_type() for part in read.walk() if not part.is_multipart()]
    assert kinds == ["text/plain", "text/html", "image/png"]
    assert [part["Content-ID"] for part in read.walk() if part["Content-ID"]] == ["<last-24-hours.png>"]


def test_an_alert_about_the_pipeline_leads_to_what_to_do() -> None:
    assert "zonepulse runbook ops_no_data" in made(row(rule="ops_no_data", company="", meter="")).text
    board = NotifySettings(board_url="https://board.example")
    reader = Subscriber("desk", ("mailto:desk@plant.example",))
    poison = row(rule="ops_poison", company="", meter="")
    parcel = Parcel("k", "desk", reader.to[0], "alert", T0, [(poison.identity, "raised")], [("raised", poison)])
    assert "https://board.example/runbook/ops_poison" in Composer(board).message(parcel, reader, KNOWN, T0).text
    assert set(PIPELINE_RULES) == {rule for rule in RULE_TEXTS if rule.startswith("ops_")}


def literals() -> set[str]:
    """Every text that code and templates ask a catalogue for."""
    found = (
        {text for pair in RULE_TEXTS.values() for text in pair} | set(SEVERITY_TEXTS.values()) | {s for s in STATES.values() if s}
    )
    for file in [*FOLDER.glob("*.py"), *FOLDER.parent.glob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "words" and node.args:
                found |= {node.args[0].value} if isinstance(node.args[0], ast.Constant) else set()
    for file in (FOLDER / "templates").glob("*.j2"):
        found |= set(re.findall(r"""_\("([^"]+)\"""", file.read_text("utf-8"))) | set(
            re.findall(r"_\('([^']+)'", file.read_text("utf-8"))
        )
    return found


@pytest.mark.parametrize("language", ["de", "zh"])
def test_every_text_is_there_in_every_language_with_the_same_places(language: str) -> None:
    there = catalogue(language)
    assert literals() - set(there) == set()
    for text, translated in there.items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", translated)), text


@pytest.mark.parametrize(
    ("language", "number", "offset"), [("en", "1,234.5", "UTC+8"), ("de", "1.234,5", "UTC+8"), ("zh", "1,234.5", "UTC+8")]
)
def test_numbers_and_times_are_the_readers(language: str, number: str, offset: str) -> None:
    words = Words(language, "Asia/Shanghai")
    assert words.number(0.05) in ("0.05", "0,05") and words.number(123.456) in ("123.5", "123,5")
    assert words.count(1_234) == number.partition("." if language != "de" else ",")[0]
    assert words.moment(T0).endswith(offset)
    assert Words("en", "Asia/Kolkata").moment(T0).endswith("UTC+5:30") and Words("en", "UTC").moment(T0).endswith(" UTC")


@given(st.lists(texts, max_size=30).map(tuple), st.integers(0, 10_000), st.integers(1, 6_000), st.booleans(), texts)
def test_a_short_message_fits_by_bytes_or_characters_at_a_characters_edge(
    alerts: tuple[str, ...], hidden: int, most: int, is_bytes: bool, heading: str
) -> None:
    limit, pieces = Limit(most, is_bytes), Brief(heading, alerts, hidden, "zonepulse · Z", "and {count} more")
    text = fit(pieces, limit)
    assert limit.fits(text)
    text.encode("utf-8")
    counted = re.search(r"^and (\d+) more$", text, re.MULTILINE)
    if most > 500 and alerts and counted and not any("more" in a for a in alerts):
        assert 0 < int(counted[1]) <= len(alerts) + hidden


def test_what_matters_most_stands_first_and_the_rest_is_counted() -> None:
    pieces = Brief("3 条告警", tuple(f"告警 {n} " + "长" * 300 for n in range(5)), 95, "zonepulse · 园区", "另有 {count} 条")
    text = fit(pieces, Limit(2_048, True))
    assert len(text.encode()) <= 2_048 and "告警 0" in text and "告警 1" in text and "另有 98 条" in text
    one = fit(Brief("h", ("长" * 5_000,), 0, "zonepulse", "and {count} more"), Limit(2_048, True))
    assert 1_900 < len(one.encode()) <= 2_048 and one.endswith("zonepulse")


def test_robots_find_no_markup_in_names() -> None:
    assert flat("<@everyone> [x](http://y) *b* `c`") == "＜＠everyone＞ ［x］（http://y） ＊b＊ ｀c｀"


def test_clean_cuts_and_keeps_one_line() -> None:
    assert clean("a\r\nb\x00c\u202ed" + "x" * 200, 10) == "a b cdxxx…"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_picture_is_a_png_that_is_sharp_on_a_phone(language: str) -> None:
    values = [None if 10 < i < 14 else float(i) for i in range(96)]
    history = History([T0 + i * 900_000 for i in range(96)], values, 900_000, "kWh", 3.0, 60.0)
    data = draw(history, T0 + 80_000_000, T0 + 86_400_000, Words(language, "Asia/Shanghai"))
    assert data.startswith(b"\x89PNG") and int.from_bytes(data[16:20], "big") == 1_120 and len(data) < 200_000
    assert draw(History([T0], [None], 900_000, "kWh"), T0, T0, Words(language, "UTC")) == b""


def test_a_machine_without_a_font_for_a_language_leaves_its_words_out_of_pictures() -> None:
    assert fonts_with("kWh · Die letzten 24 Stunden", ["DejaVu Sans"]) == ["DejaVu Sans"], "matplotlib brings it"
    assert fonts_with("kWh · 最近 24 小时", ["DejaVu Sans"]) == []
    assert fonts_with("kWh", ["no such font"]) == []


@pytest.mark.parametrize(("name", "text", "told"), [
    ("mail.html.j2", "{{ page.nothing }}", "nothing"), ("mail.txt.j2", "{% for %}", "mail.txt.j2:1"),
    ("mail.html.j2", "{% for a in alerts %}{{ a.where|safe }}{% endfor %}", "became markup"),
    ("mail.txt.j2", "\n{{ ''.__class__ }}", "mail.txt.j2:2: a message in en cannot be made"),
])  # fmt: skip
def test_own_templates_are_checked_before_they_are_used(name: str, text: str, told: str, tmp_path: Path) -> None:
    for shipped in ("mail.html.j2", "mail.txt.j2"):
        (tmp_path / shipped).write_text((FOLDER / "templates" / shipped).read_text("utf-8"), "utf-8")
    checked(tmp_path)
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(BadSetting, match=re.escape(told)):
        checked(tmp_path)
