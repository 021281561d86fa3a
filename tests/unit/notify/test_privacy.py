"""A subscriber of company A gets no fact of company B, whatever filters, templates, links and digests are tried."""

import asyncio
import base64
import itertools
import json
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import find, given, settings
from hypothesis import strategies as st
from jinja2.meta import find_undeclared_variables
from jinja2.nodes import Getattr, Name
from jinja2.sandbox import ImmutableSandboxedEnvironment
from notify_parts import transition
from zones import zone

from zonepulse.schemas.languages import LANGUAGES
from zonepulse.schemas.registry.subscribers import Subscriber
from zonepulse.streams.notify.channels import mail
from zonepulse.streams.notify.composing import Composer
from zonepulse.streams.notify.history import history_of
from zonepulse.streams.notify.link_server import Links
from zonepulse.streams.notify.messages import pages
from zonepulse.streams.notify.messages.pages import Page, context, environment
from zonepulse.streams.notify.messages.views import Hidden, View, view
from zonepulse.streams.notify.messages.views import Links as AlertLinks
from zonepulse.streams.notify.messages.words import Words
from zonepulse.streams.notify.routing.delivery import rows
from zonepulse.streams.notify.routing.facts import Row, directory, parse_row
from zonepulse.streams.notify.routing.intake import take_row
from zonepulse.streams.notify.routing.link_tokens import PATH, Action, Grant, token
from zonepulse.streams.notify.routing.people import People
from zonepulse.streams.notify.routing.planning import plan
from zonepulse.streams.notify.routing.state import Kind, Parcel, State
from zonepulse.streams.notify.settings import NotifySettings
from zonepulse.streams.settings import Settings

T0 = 1_790_000_100_000
SECRET = "Bsecret"
METER = """
  - id: Bsecret-M
    site: s2
    role: main
    registers:
      "1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000000}
  - id: MOVED
    site: s
    role: main
    registers:
      "1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000000}
    valid_to: 2025-01-01
  - id: MOVED
    site: s2
    role: main
    registers:
      "1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000000}
    valid_from: 2025-01-01
"""
METER += """
rules:
  - {id: too-much, on: company, when: {indicator: energy_kwh, above: 1}, severity: warning, text: {en: More than agreed}}
tariffs:
  - {id: all, carrier: electricity, price: 2, currency: CNY, unit: kWh, source: of all, valid_from: 2020-01-01}
  - {id: Bsecret-t, carrier: electricity, company: b, price: 777, currency: CNY, unit: kWh, source: Bsecret deal, valid_from: 2020-01-01}
"""
ZONE = zone(("  - {id: b}", "  - {id: b, name: {en: Bsecret Ltd, de: Bsecret GmbH, zh: Bsecret 公司}}"), more=METER)
KNOWN = directory(ZONE)


def variables() -> dict[str, str]:
    """Every variable of a template, by its path -> what prints it: from the code, so that a new one is tried as well."""
    page = Page("", "", "", "", "", 0, "", "")
    shown = view(OWN[0], "raised", Subscriber("mill", ("mailto:a@a.example",), company="a"), KNOWN, Words("en", "UTC"), T0)
    found = {}
    for name, value in context(page, [shown], Words("en", "UTC")).items():
        of, is_list = (value[0], True) if isinstance(value, list) else (value, False)
        for path in paths(of):
            loop = "{% for one in " + name + " %}{{ one" + path + " }} {% endfor %}{{ '' }}"
            found[name + path] = loop if is_list else "{{ " + name + path + " }}"
    return found


def paths(value: Any) -> list[str]:
    """Attributes that a sandboxed template may name, those of dataclasses within one another."""
    names = [name for name in dir(value) if not name.startswith("_")]
    inner = [f".{name}{path}" for name in names if is_dataclass(getattr(value, name)) for path in paths(getattr(value, name))]
    return [f".{name}" for name in names] + inner


@cache
def cheats() -> ImmutableSandboxedEnvironment:
    """Templates that show everything that they are given."""
    every = "\n".join(f"[{path}] {shown}" for path, shown in variables().items())
    return environment(
        {
            "mail.txt.j2": "{{ alerts }} {{ page }} {% for a in alerts %}{{ a.facts }}{{ a.links }}{% endfor %}{{ '' }}\n" + every,
            "mail.html.j2": "{{ alerts|pprint }} {{ page|pprint }} {{ _ }} {{ self }}\n" + every,
        }
    )


def row(**facts: Any) -> Row:
    return parse_row(json.dumps(transition(**({"starts_at": T0} | facts))).encode())


FOREIGN = [
    row(company="b", meter="Bsecret-M"),
    row(company="a", meter="Bsecret-M"),  # a row that says otherwise
    row(company="a", meter="MOVED"),  # it was A's once
    row(company="a", meter="Bsecret-unknown"),
    row(rule="no_factor", company="b", evidence='{"carrier":"Bsecret"}', severity="critical"),
    row(rule="unexplained_energy", node="Bsecret-node"),
    row(rule="zone_intensity", value=1.5),
    row(rule="ops_poison", evidence='{"why":"Bsecret"}'),
    row(rule="ops_undelivered", company="a", evidence='{"subscriber":"Bsecret"}'),
    row(rule="unusual", company="b", meter="Bsecret-M", value=9.0, expected_high=1.0, evidence='{"register":"1.8.0"}'),
    row(rule="too-much", company="b", value=9.0, expected_high=1.0),
]
OWN = [
    row(
        company="a",
        meter="M",
        evidence='{"register":"1.8.0","others":["Bsecret-M"],"Bsecret":1}',
        impact_kg=3.0,
        value=9.0,
        expected_high=1.0,
    ),
    row(rule="unusual", company="a", evidence='{"channels":["Bsecret-M"],"parent":"Bsecret"}', severity="critical"),
]
filters = st.fixed_dictionaries(
    {
        "companies": st.sampled_from([(), ("b",), ("a", "b")]),
        "sites": st.sampled_from([(), ("s2",), ("s", "s2")]),
        "rules": st.sampled_from([(), ("*",), ("ops_*", "zone_*", "un*", "no_*", "silent_*")]),
        "severity": st.sampled_from(["info", "critical"]),
        "impact_kg": st.sampled_from([None, 0.0]),
        "language": st.sampled_from(["en", "de", "zh"]),
        "digest": st.sampled_from(["", "hourly", "daily"]),
        "to": st.sampled_from([("mailto:a@a.example",), ("webhook:w", "channel:c")]),
        "timezone": st.sampled_from(["", "Asia/Shanghai", "America/Lima"]),
        "quiet_from_min": st.sampled_from([0, 600]),
        "quiet_to_min": st.sampled_from([0, 1_200]),
        "digest_at_min": st.sampled_from([0, 480]),
        "rate_per_hour": st.sampled_from([1, 100]),
        "escalate_to": st.sampled_from(["", "boss"]),
        "escalate_after_ms": st.just(60_000),
        "send_resolved": st.booleans(),
    }
)
IDENTITY = {"id", "company", "is_confirmed"}
"""Fields of a subscriber that are no choice of theirs."""


def test_every_choice_of_a_subscriber_is_tried() -> None:
    tried = set(find(filters, lambda _: True, settings=settings(database=None)))
    assert tried == {one.name for one in fields(Subscriber)} - IDENTITY


def test_every_variable_of_a_template_is_tried_and_no_shipped_template_knows_another() -> None:
    tried = variables()
    for kind, name in ((Page, "page"), (View, "alerts"), (AlertLinks, "alerts.links")):
        assert {f"{name}.{one.name}" for one in fields(kind)} <= set(tried)
    named = set()
    for file in ("mail.txt.j2", "mail.html.j2"):
        source = (Path(pages.__file__).parent / "templates" / file).read_text("utf-8")
        tree = environment().parse(source)
        assert find_undeclared_variables(tree) == set(context(Page("", "", "", "", "", 0, "", ""), [], Words("en", "UTC")))
        named |= {
            f"{node.node.name}.{node.attr}".replace("a.", "alerts.", 1)
            for node in tree.find_all(Getattr)
            if isinstance(node.node, Name)
        }
    assert {"page.zone", "alerts.where", "alerts.links", "_.colon"} <= named <= set(tried)


def test_a_variable_that_leaks_would_be_seen() -> None:
    """The same templates, for whoever may see all: what stands behind most of the variables is the other company's then."""
    boss, shown = Subscriber("boss", ("mailto:boss@zone.example",)), FOREIGN[-2]
    parcel = Parcel("k", "boss", "mailto:boss@zone.example", "alert", T0, [(shown.identity, "raised")], [("raised", shown)])
    made = Composer(NotifySettings(), templates=cheats()).message(parcel, boss, KNOWN, T0)
    lines = dict(line[1:].split("] ", 1) for line in made.text.splitlines() if line.startswith(("[page.", "[alerts.", "[_.")))
    assert set(lines) == set(variables())
    leaking = {path for path, text in lines.items() if SECRET in text}
    assert {"alerts.where", "alerts.short_where", "alerts.cost"} <= leaking


KINDS = get_args(Kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_was_routed_wrongly_is_still_not_written_into_any_kind_of_message(kind: Kind, language: Any) -> None:
    mill = Subscriber("mill", ("mailto:a@a.example",), company="a", language=language)
    people, told = People(KNOWN, {"mill": mill}), [*FOREIGN, *OWN]
    parcel = Parcel(
        "0" * 24, "mill", mill.to[0], kind, T0, [(one.identity, "raised") for one in told], [("raised", one) for one in told],
        {"critical": 2, "warning": len(told) - 2},
    )  # fmt: skip
    found = "\n".join(outputs(mill, people, State(), [parcel], T0))
    assert SECRET not in found
    if kind not in ("test", "confirm"):
        assert "2 alerts" in found or "2 Alarme" in found or "2 条" in found, "not even how many there are"


def test_no_link_leads_to_pages_of_the_whole_zone() -> None:
    settings = NotifySettings(grafana_url="https://g.example", board_url="https://board.example")
    for company in ("a", ""):
        reader = Subscriber("p", ("mailto:p@a.example",), company=company)
        parcel = Parcel("k", "p", reader.to[0], "flood", T0, [(OWN[0].identity, "raised")] * 9, [("raised", OWN[0])])
        made = Composer(settings).message(parcel, reader, KNOWN, T0)
        for text in (made.text, made.html, repr(made.brief)):
            assert ("board.example/alert" in text) == (not company)
        assert ("g.example" in made.text) == ("g.example" in made.html) == (not company)


def outputs(reader: Subscriber, people: People, state: State, parcels: list[Parcel], now_ms: int) -> list[str]:
    """Everything that leaves the house for this reader."""
    settings = NotifySettings(
        public_url="https://x.example", link_keys=("k" * 32,), grafana_url="https://g.example", board_url="https://board.example"
    )
    found = []
    for composer, parcel in itertools.product((Composer(settings), Composer(settings, templates=cheats())), parcels):
        made = composer(parcel, people, now_ms)
        assert made is not None
        message = made.message
        found += [message.subject, message.text, message.html, repr(message.brief), made.payload.decode(), repr(made)]
        address, sender = "a@a.example", "z@z.example"
        built = mail.build(message, address, sender, made.zone, made.key, made.thread, T0, made.unsubscribe_link)
        found.append(str(built.items()))
        if parcel.items and state.alerts:
            found += [str(r) for r in rows(parcel, state, "z")]
        for link in made.message.text.split("/n/")[1:]:
            found.append(base64.urlsafe_b64decode(link.split(".")[0] + "==").decode())
    assert all(p.subscriber == reader.id for p in parcels)
    return found


@settings(max_examples=25)
@given(filters, st.permutations([*FOREIGN, *OWN]), st.booleans())
def test_no_filter_digest_template_or_link_shows_a_fact_of_another_company(
    chosen: dict[str, Any], alerts: list[Row], ends: bool
) -> None:
    mill = Subscriber("mill", company="a", **chosen)
    boss = Subscriber("boss", ("mailto:boss@zone.example",), escalate_to="mill", escalate_after_ms=60_000)
    people, state = People(KNOWN, {"mill": mill, "boss": boss}), State()
    for one in alerts:
        take_row(state, one, people.listening(), KNOWN, T0)
    made = []
    for step in (31_000, 100_000, 3_600_000, 15_000_000, 86_400_000):
        made += [p for p in plan(state, people.everyone().values(), {}, KNOWN, T0 + step) if p.subscriber == "mill"]
        if ends:
            for one in alerts:
                over = row(
                    **{n: getattr(one, n) for n in ("rule", "company", "meter", "node", "severity")}, state="resolved", revision=2
                )
                take_row(state, over, people.listening(), KNOWN, T0 + step)
    assert SECRET not in "\n".join(outputs(mill, people, state, made, T0 + 86_400_000))
    told = {i for p in made for i, _ in p.items}
    assert told <= {one.identity for one in OWN}


def test_the_zones_own_people_see_all_of_it() -> None:
    boss = Subscriber("boss", ("mailto:boss@zone.example",))
    people, state = People(KNOWN, {"boss": boss}), State()
    for one in [*FOREIGN, *OWN]:
        take_row(state, one, people.listening(), KNOWN, T0)
    made = plan(state, [boss], {}, KNOWN, T0 + 31_000)
    assert SECRET in "\n".join(outputs(boss, people, state, made, T0 + 31_000))
    assert len({i for p in made for i, _ in p.items}) == len(FOREIGN) + len(OWN)


def test_what_was_routed_before_a_subscriber_moved_to_another_company_is_not_shown_after() -> None:
    before = Subscriber("p", ("mailto:p@b.example",), company="b")
    people, state = People(KNOWN, {"p": before}), State()
    take_row(state, FOREIGN[0], people.listening(), KNOWN, T0)
    made = plan(state, people.everyone().values(), {}, KNOWN, T0 + 31_000)
    assert len(made) == 1
    people.of_registry["p"] = replace(before, company="a")
    assert SECRET not in "\n".join(outputs(people.of_registry["p"], people, state, made, T0 + 31_000))
    take_row(state, row(company="b", meter="Bsecret-M", state="resolved", revision=2), people.listening(), KNOWN, T0 + 40_000)
    assert plan(state, people.everyone().values(), {}, KNOWN, T0 + 86_400_000) == []


@pytest.mark.parametrize("one", FOREIGN)
def test_the_gate_is_shut_for_every_foreign_alert_wherever_it_is_asked(one: Row) -> None:
    mill = Subscriber("mill", ("mailto:a@a.example",), company="a")
    with pytest.raises(Hidden):
        view(one, "raised", mill, KNOWN, Words("en", "UTC"), T0)
    assert history_of(one, mill, KNOWN, Settings(), T0) is None


@pytest.mark.parametrize("attack", [
    "{{ page.__class__.__mro__ }}", "{{ alerts.__class__.__base__.__subclasses__() }}", "{{ _.__globals__ }}",
    "{{ _.__init__.__globals__ }}",
    "{{ self.__init__.__globals__ }}", "{{ ''.__class__ }}", "{{ alerts.append(1) }}", "{% include '/etc/passwd' %}",
    "{{ cycler.__init__ }}",
    "{{ ''.join.__self__ }}", "{{ '{0.__class__}'.format(page) }}",
])  # fmt: skip
def test_a_template_cannot_leave_its_sandbox(attack: str) -> None:
    mill = Subscriber("mill", ("mailto:a@a.example",), company="a")
    own = {"mail.txt.j2": attack, "mail.html.j2": attack}
    people = People(KNOWN, {"mill": mill})
    parcel = Parcel("k", "mill", "mailto:a@a.example", "alert", T0, [(OWN[0].identity, "raised")], [("raised", OWN[0])])
    made = Composer(NotifySettings(), templates=environment(own))(parcel, people, T0)
    assert made is not None and "<class" not in made.message.text and "root:" not in made.message.text
    assert "<class" not in made.message.html and "function" not in made.message.text


@pytest.mark.integration
@pytest.mark.parametrize("action", get_args(Action))
def test_a_link_to_an_alert_that_is_no_longer_ones_own_shows_nothing_and_does_nothing(action: Any) -> None:
    theirs, mine = FOREIGN[0], OWN[0]
    subscriber = Subscriber("p", ("mailto:p@b.example",), company="b")
    people, state, acted = People(KNOWN, {"p": subscriber}), State(), list[str]()
    for one in (theirs, mine):
        take_row(state, one, people.listening(), KNOWN, T0)
    names = {entry.row.company: name for name, entry in state.alerts.items()}

    async def act(grant: Grant, _: Subscriber) -> None:
        acted.append(grant.alert)

    async def answers(alert: str) -> list[tuple[int, bool]]:
        links = Links(("k" * 32,), lambda: people, lambda: state, lambda: T0, act)
        async with TestClient(TestServer(links.app())) as client:
            path = PATH + token(Grant(action, "p", alert), ("k" * 32,))
            found = [await client.get(path), await client.post(path)]
            return [(one.status, SECRET in await one.text()) for one in found]

    assert asyncio.run(answers(names["b"])) == [(200, True), (200, True)]
    people.of_registry["p"] = replace(subscriber, company="a")
    assert asyncio.run(answers(names["b"])) == [(403, False), (403, False)]
    assert acted == [names["b"]], "while it was theirs"
    assert asyncio.run(answers("of nobody")) == [(404, False), (404, False)]
    assert asyncio.run(answers(names["a"])) == [(200, False), (200, False)]
    assert acted == [names["b"], names["a"]]
