"""A section of zone.yaml whose fields stand by themselves is one file and its line in the list: all else follows."""

from pathlib import Path
from typing import Any

import pytest
from extended import Extended

TEAMS = '''
"""teams: who looks after a company's machines."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from zonepulse.schemas.registry.model import Text
from zonepulse.schemas.registry.section import Booked, Field, Section, dimension


@dataclass(frozen=True, slots=True)
class Team:
    id: str
    name: Text
    company: str
    shift: Literal["day", "night"]
    since_ms: int
    reaction_ms: int
    share: Fraction
    people: int | None = None
    is_own: bool = True


_FIELDS: Final = (
    Field("id", "id", need=True, column="team"),
    Field("name", "name"),
    Field("company", "id", "whose machines", need=True, of="companies"),
    Field("shift", "word", default="day", words=("day", "night")),
    Field("since", "moment", "when it began", need=True),
    Field("reaction", "duration", default=900_000),
    Field("share", "number", "of the work", default=Fraction(1, 2)),
    Field("people", "count"),
    Field("is_own", "truth", default=True),
)
TEAMS: Final = Section(
    "teams",
    "team",
    Team,
    _FIELDS,
    booked=Booked(lambda team: team.since_ms, "let `since` be {since} or later"),
    storage=dimension("teams", _FIELDS, "team"),
)
'''

PROGRAM = """
import json
from dataclasses import replace
from jsonschema import Draft202012Validator
from zones import small
from zonepulse.schemas.checks.changes import check_applicable, diff
from zonepulse.schemas.documents.message_schemas import registry_entity_schema
from zonepulse.schemas.documents.zone_schema import zone_schema
from zonepulse.schemas.problems import RegistryError
from zonepulse.schemas.registry.wire import from_entities, to_entities
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.clickhouse.registry_rows import registry_rows

def zone(teams):
    return small(more="teams:" + teams)

def problems(teams):
    try:
        parse_zone(zone(teams))
    except RegistryError as error:
        return [f"{p.path}: {p.what}; {p.remedy}" for p in error.problems]

ONE = " [{id: north, company: a, since: 2026-03-04, shift: night, people: 3, name: {en: North, de: Nord}}"
old, new = parse_zone(zone(ONE + "]")), parse_zone(zone(ONE + ", {id: south, company: a, since: 2026-03-05}]"))
entities = dict(to_entities(replace(new, version=2)))
(item,) = [zone_schema()["properties"]["teams"]["items"]]
(table,) = [table for name, table in registry_rows(new) if name == "registry_teams"]
BEGIN = 1_772_640_000_000  # 2026-03-05 in Shanghai
print(json.dumps({
    "wrong": problems(" [{id: x, company: nobody, since: 2026-03-04, shift: noon, peeple: 3}, {id: x, company: a}]"),
    "south": repr(new.more["teams"][1]),
    "same": from_entities(entities) == replace(new, version=2),
    "key": [key for key in entities if "/team/" in key],
    "kind": "team" in registry_entity_schema()["$defs"],
    "diff": diff(old, new),
    "refused": [f"{p.path}: {p.what}; {p.remedy}" for p in check_applicable(old, new, BEGIN + 900_000)],
    "allowed": check_applicable(old, new, BEGIN),
    "required": item["required"],
    "share": item["properties"]["share"],
    "reaction": item["properties"]["reaction"],
    "shift": item["properties"]["shift"],
    "valid": [Draft202012Validator(item | {"$defs": zone_schema()["$defs"]}).is_valid(i)
        for i in ({"id": "n", "company": "a", "since": "2026-03-04"}, {"id": "n", "company": "a"})],
    "rows": table.drop_columns(["version"]).to_pylist(),
}, default=str))
"""


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Extended:
    tree = Extended(tmp_path_factory.mktemp("section"))
    tree.add("schemas/registry/teams.py", TEAMS)
    tree.alter(
        "schemas/registry/sections.py",
        (
            "from zonepulse.schemas.tables.ddl",
            "from zonepulse.schemas.registry.teams import TEAMS\nfrom zonepulse.schemas.tables.ddl",
        ),
        ("    NETWORK,\n    SUBSCRIBERS,\n", "    TEAMS,\n    NETWORK,\n    SUBSCRIBERS,\n"),
    )
    return tree


@pytest.fixture(scope="module")
def found(extended: Extended) -> dict[str, Any]:
    """What the program says of the section."""
    assert len(extended.files) == 2
    said: dict[str, Any] = extended.run(PROGRAM)
    return said


@pytest.mark.integration
def test_a_section_of_two_files_is_read_and_its_mistakes_are_told(found: dict[str, Any]) -> None:
    assert found["south"] == (
        "Team(id='south', name={'en': 'south'}, company='a', shift='day', since_ms=1772640000000, reaction_ms=900000,"
        " share=Fraction(1, 2), people=None, is_own=True)"
    )
    assert found["wrong"] == [
        "teams[0].peeple: unknown key; did you mean `people`?",
        "teams[0].shift: 'noon' is none of day, night; write one of them",
        "teams[1]: `since` is missing; add `since: 2026-01-01`",
        "teams[1].id: 'x' stands twice, first on line 15; keep one, or give it another id",
        "teams[0].company: unknown company 'nobody'; add it to companies",
    ]


@pytest.mark.integration
def test_its_json_schema_follows(found: dict[str, Any]) -> None:
    assert found["required"] == ["id", "company", "since"]
    assert found["share"] == {"default": 0.5, "description": "of the work", "type": ["number", "null"]}
    assert found["reaction"] == {"anyOf": [{"$ref": "#/$defs/duration"}, {"type": "null"}], "default": "15m"}
    assert found["shift"] == {"default": "day", "enum": ["day", "night", None]}
    assert found["valid"] == [True, False]


@pytest.mark.integration
def test_it_is_published_and_compared(found: dict[str, Any]) -> None:
    assert found["same"] and found["kind"]
    assert found["key"] == ["2/team/north", "2/team/south"]
    assert found["diff"] == ["+ teams south"]
    assert found["allowed"] == []
    (refused,) = found["refused"]
    assert refused.startswith(
        "teams.south: is added, removed or altered in closed windows; let `since` be 2026-03-05T00:15:00+08:00 or later"
    )


@pytest.mark.integration
def test_its_dimension_rows_follow(found: dict[str, Any]) -> None:
    assert found["rows"][0] == {
        "zone": "z", "team": "north", "name_en": "North", "name_de": "Nord", "name_zh": "North", "company": "a", "shift": "night",
        "since": "2026-03-03 16:00:00+00:00", "reaction_ms": 900_000, "share": 0.5, "people": 3, "is_own": 1,
    }  # fmt: skip
    assert found["rows"][1]["people"] is None


INSIDE = """
import json
from dataclasses import replace
from jsonschema import Draft202012Validator
from zones import EXAMPLE, small
from zonepulse.schemas.checks.changes import diff
from zonepulse.schemas.documents.zone_schema import zone_schema
from zonepulse.schemas.problems import RegistryError
from zonepulse.schemas.registry.network import EDGES
from zonepulse.schemas.registry.wire import from_entities, to_entities
from zonepulse.schemas.zone_file.read import parse_zone

def zone(edge="", desk=""):
    text = EXAMPLE.replace("id: e1,", "id: e1, " + edge)
    assert not edge or text != EXAMPLE
    return text.replace("subscribers: []", "subscribers: [{id: desk, to: [channel:ops], " + desk + "only: {sectors: [steel]}}]")

def problems(text):
    try:
        parse_zone(text)
    except RegistryError as error:
        return [f"{p.path}: {p.what}; {p.remedy}" for p in error.problems]

old, new = parse_zone(zone()), parse_zone(zone("ampere: 400, ", "greeting: Hi, "))
schema = zone_schema()["properties"]
print(json.dumps({
    "read": [new.network.edges[0].ampere, old.network.edges[0].ampere, new.extra["subscribers"][0]["greeting"],
        new.extra["subscribers"][0]["sectors"]],
    "wrong": problems(zone("ampere: many, ", "greeting: 7, ")),
    "schema": [schema["network"]["properties"]["edges"]["items"]["properties"]["ampere"],
        schema["subscribers"]["items"]["properties"]["greeting"],
        schema["subscribers"]["items"]["properties"]["only"]["properties"]["sectors"]],
    "same": from_entities(dict(to_entities(replace(new, version=2)))) == replace(new, version=2),
    "kinds": sorted({key.split("/")[1] for key, _ in to_entities(new)} & {"network", "extra", "subscriber"}),
    "diff": diff(old, new),
    "cell": EDGES.cells(new.network.edges[0], 3),
}))
"""


@pytest.mark.integration
def test_a_field_inside_a_mapping_or_of_a_plain_section_is_declared_once(tmp_path: Path) -> None:
    tree = Extended(tmp_path)
    tree.alter("schemas/registry/model.py", ("    meter_to: str\n", "    meter_to: str\n    ampere: int | None\n"))
    tree.alter(
        "schemas/registry/network.py",
        (
            '        Field("valid_from", "start"',
            '        Field("ampere", "count", "that the line bears"),\n        Field("valid_from", "start"',
        ),
    )
    tree.alter(
        "schemas/registry/subscribers.py",
        ('    timezone: str = ""\n', '    timezone: str = ""\n    greeting: str = "Dear"\n    sectors: tuple[str, ...] = ()\n'),
        (
            '        Field("quiet", "minutes"',
            '        Field("greeting", "text", default="Dear"),\n        Field("sectors", "texts", default=(), inside="only"),\n'
            '        Field("quiet", "minutes"',
        ),
    )
    found = tree.run(INSIDE)
    assert found["read"] == [400, None, "Hi", ["steel"]]
    assert found["wrong"] == [
        "network.edges[0].ampere: 'many' is no decimal number; write it like 1234.5, without leading zeros",
        "subscribers[0].greeting: '7' is no text; write it in quotes: \"7\"",
    ]
    assert found["schema"] == [
        {"type": ["integer", "null"], "minimum": 0, "description": "that the line bears"},
        {"type": ["string", "null"], "default": "Dear"},
        {"type": ["array", "null"], "items": {"type": "string"}},
    ]
    assert found["same"]
    assert found["kinds"] == ["extra", "network"]
    assert found["diff"] == ["~ network.edges e1", "~ subscribers desk"]
    assert (found["cell"]["ampere"], found["cell"]["position"]) == (400, 3)
