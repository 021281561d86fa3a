"""The published documents are what the code says, and the examples beside them hold on both sides: schema and decoder."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from jsonschema import Draft202012Validator
from zones import EXAMPLE, SNAPSHOTS

from zonepulse.processors.detection.rules import Alert
from zonepulse.schemas.checks.notices import notices
from zonepulse.schemas.documents.asyncapi import SCHEMA_FORMAT
from zonepulse.schemas.documents.build import committed, documents
from zonepulse.schemas.messages.alerts import fingerprint
from zonepulse.schemas.messages.dead_letters import decode_dead_letter
from zonepulse.schemas.messages.hand_overs import HEADER, KEPT, HandOver
from zonepulse.schemas.messages.readings import ARROW_SCHEMA, REASONS, decode, item_bytes
from zonepulse.schemas.messages.records import HEARTBEAT
from zonepulse.schemas.messages.topics import TOPICS
from zonepulse.schemas.problems import RegistryError, Report
from zonepulse.schemas.registry.sections import LISTS, entities_of
from zonepulse.schemas.registry.wire import from_entities, split_key, to_entities
from zonepulse.schemas.tables.column_notes import COLUMN_NOTES, READING_NOTES
from zonepulse.schemas.tables.interval_block import INTERVAL_BLOCK
from zonepulse.schemas.tables.results import ALERTS, TABLES
from zonepulse.schemas.zone_file.positions import compose, plain
from zonepulse.schemas.zone_file.read import parse_zone

CONTRACTS = files("zonepulse.schemas").joinpath("contracts")
ZONE = files("zonepulse.schemas").joinpath("examples", "zone.yaml").read_text("utf-8")
DEMO_ZONE = files("zonepulse.deploy").joinpath("demo", "zone.yaml").read_text("utf-8")


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(committed(f"{name}.schema.json"))
    return found


def validator(name: str, fragment: str = "") -> Draft202012Validator:
    whole = schema(name)
    return Draft202012Validator({"$ref": f"#/$defs/{fragment}", "$defs": whole["$defs"]} if fragment else whole)


def example(name: str) -> dict[str, Any]:
    text = files("zonepulse.schemas").joinpath("examples", f"{name}.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


READINGS = example("readings")["records"]


def as_yaml_1_2(text: str) -> Any:
    return plain(compose(text, Report()))


def test_the_committed_documents_are_what_the_code_says() -> None:
    made = documents()
    assert {file.name for file in CONTRACTS.iterdir()} == set(made)
    for name, text in made.items():
        assert committed(name) == text, "run `make contracts`"


@pytest.mark.integration
def test_the_documents_can_be_written_into_a_folder(tmp_path: Path) -> None:
    door = [sys.executable, "-m", "zonepulse.schemas.documents.build"]
    assert subprocess.run(door, capture_output=True, check=False).returncode == 2
    subprocess.run([*door, str(tmp_path / "new")], check=True)
    assert {file.name: file.read_text("utf-8") for file in (tmp_path / "new").iterdir()} == documents()


@pytest.mark.parametrize("name", [name.partition(".")[0] for name in documents() if name.endswith(".json")])
def test_every_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))


# Readings


def content(record: dict[str, Any]) -> tuple[bytes, bytes | None]:
    value = base64.b64decode(record["value"]) if record.get("encoding") == "base64" else record["value"].encode()
    kind = record.get("content_type")
    return value, kind and kind.encode()


@pytest.mark.parametrize("record", READINGS, ids=lambda record: record["about"])
def test_the_decoder_gives_each_example_its_verdict(record: dict[str, Any]) -> None:
    value, kind = content(record)
    decoded = decode(value, kind)
    assert [REASONS[reason] for reason in decoded.reason] == record["verdicts"]
    for item, reason in zip(decoded.item, decoded.reason, strict=True):
        assert item_bytes(value, item, kind) or not reason


@pytest.mark.parametrize("record", [r for r in READINGS if "valid" in r], ids=lambda record: record["about"])
def test_the_reading_schema_accepts_what_the_examples_say(record: dict[str, Any]) -> None:
    assert (is_strict_json(record["value"]) and validator("reading").is_valid(json.loads(record["value"]))) == record["valid"]
    if not any(record["verdicts"]):
        assert record["valid"], "what is accepted is valid"


def is_strict_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=lambda name: int(name))
    except ValueError:
        return False
    return True


def test_a_heartbeat_is_a_valid_record_without_readings() -> None:
    assert validator("reading").is_valid(json.loads(HEARTBEAT))
    assert not decode(HEARTBEAT).item


# Alerts, dead letters, the registry


@pytest.mark.parametrize(
    "entry", example("alerts")["alerts"], ids=lambda entry: f"{entry['alert']['rule']} {entry['alert']['state']}"
)
def test_an_example_alert_is_valid_and_its_labels_make_its_fingerprint(entry: dict[str, Any]) -> None:
    validator("alert").validate(entry["alert"])
    assert entry["alert"]["fingerprint"] == fingerprint(entry["labels"])
    assert list(entry["alert"]) == [c.name for c in ALERTS.stored]
    json.loads(entry["alert"]["evidence"])


def test_what_the_core_makes_of_an_alert_is_valid_and_a_column_less_is_not() -> None:
    row = {"zone": "z"} | Alert("z", "stuck", {"meter": "M"}, "warning", "raised", 1, 2, {"register": "r"}).row()
    validator("alert").validate(row)
    for name in row:
        assert not validator("alert").is_valid({key: value for key, value in row.items() if key != name})


@pytest.mark.parametrize("letter", example("dead_letters")["dead_letters"], ids=lambda letter: letter["headers"]["reason"])
def test_an_example_dead_letter_is_valid_and_decodes(letter: dict[str, Any]) -> None:
    validator("dead_letter").validate(letter["headers"])
    headers = [(name, text.encode()) for name, text in letter["headers"].items()]
    found = decode_dead_letter(headers, letter["key"] and letter["key"].encode(), letter["value"].encode())
    assert dict(found.headers()) == dict(headers)


def test_the_example_registry_is_valid_record_by_record_and_a_whole_version() -> None:
    records = {record["key"]: record["value"] for record in example("registry_entities")["records"]}
    for key, value in records.items():
        validator("registry_entity", split_key(key)[1]).validate(value)
        validator("registry_entity").validate(value)
    wire = {key: json.dumps(value).encode() for key, value in records.items()}
    registry = from_entities(wire)
    assert {key: json.loads(value) for key, value in to_entities(registry)} == records


def test_every_entity_of_the_demo_and_of_the_example_is_valid() -> None:
    for text in (DEMO_ZONE, EXAMPLE, ZONE):
        for key, value in to_entities(parse_zone(text)):
            validator("registry_entity", split_key(key)[1]).validate(json.loads(value))


# zone.yaml


@pytest.mark.parametrize("text", [DEMO_ZONE, EXAMPLE, ZONE], ids=["demo", "contract", "example"])
def test_the_zone_schema_accepts_zones_that_are_in_use(text: str) -> None:
    validator("zone").validate(as_yaml_1_2(text))


def test_the_zone_schema_finds_the_mistakes_of_single_values() -> None:
    found = {
        error.json_path for error in validator("zone").iter_errors(as_yaml_1_2((SNAPSHOTS / "bad_zone.yaml").read_text("utf-8")))
    }
    assert {"$", "$.zone", "$.zone.key", "$.zone.name", "$.zone.tick", "$.zone.vee.n_confirm", "$.rules[0].when"} <= found


def test_gas_in_cubic_metres_needs_its_temperature() -> None:
    gas = "carrier: natural_gas, direction: consumption, kind: cumulative, unit: m3, max_power: 9"
    zone = "zone: {{id: z, timezone: UTC}}\nmeters:\n  - {{id: M, site: s, role: main, registers: {{r: {{{register}}}}}}}\n"
    assert not validator("zone").is_valid(as_yaml_1_2(zone.format(register=gas)))
    assert validator("zone").is_valid(as_yaml_1_2(zone.format(register=f"{gas}, reference: 20C")))


def test_the_example_zone_has_every_section_and_nothing_that_is_probably_not_meant() -> None:
    registry = parse_zone(ZONE)
    assert notices(registry) == []
    without = [section.name for section in LISTS if not entities_of(registry, section)]
    assert without == ["efficiency_networks.snapshots"], "a snapshot is declared by the digest of its file"
    assert {name for f in registry.factors for name in ("series", "fuel") if getattr(f, name)} == {"series", "fuel"}
    assert any(r.steam for m in registry.meters for r in m.registers)
    assert from_entities(dict(to_entities(registry))) == registry


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (", mwh: 500", ""),
        (", mwh: 500", ", mwh: null"),
        (", mwh: 500", ", mwh: 500, hourly: {from: 2026-01-01, step: 1h, values: [1]}"),
        ("    fuel: {ncv", "    value: 1\n    fuel: {ncv"),
        ("value: 0.098, ", ""),
        ("unit: tCO2/GJ, valid_from: 2026-01-01,", "unit: tCO2/GJ,"),
        (", meter_to: HALL-FEEDER", ""),
        (", by: Li Wei, reason: cylinder weighed", ""),
        ("refrigerant:R-410A", "diesel"),
        ("gwp: AR5", "gwp: AR7"),
        (", temperature_c: null", ""),
        ("step: 1h", "step: hourly"),
        ("kind: pv", "kind: solar"),
    ],
)
def test_reader_and_schema_refuse_the_same_mistakes(old: str, new: str) -> None:
    assert old in ZONE
    text = ZONE.replace(old, new, 1)
    assert not validator("zone").is_valid(as_yaml_1_2(text))
    with pytest.raises(RegistryError):
        parse_zone(text)


def mappings(found: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every mapping of the zone schema with known keys, and where it stands; '0' is a list's item, '*' any key."""
    found = next((option for option in found.get("anyOf", ()) if option != {"type": "null"}), found)
    if "properties" in found:
        yield path, found
        for name, member in found["properties"].items():
            yield from mappings(member, (*path, name))
    for step, key in (("0", "items"), ("*", "additionalProperties")):
        if isinstance(found.get(key), dict):
            yield from mappings(found[key], (*path, step))


@pytest.mark.parametrize(
    ("path", "found"), list(mappings(schema("zone"))), ids=lambda value: ".".join(value) if isinstance(value, tuple) else ""
)
def test_the_zone_schema_knows_the_keys_that_the_reader_knows(path: tuple[str, ...], found: dict[str, Any]) -> None:
    bad: Any = {"xqjz": 1}
    for step in reversed(path):
        bad = [bad] if step == "0" else {step: bad}
    document = bad if path[:1] in ((), ("zone",)) else {"zone": {"id": "z", "timezone": "UTC"}} | bad
    with pytest.raises(RegistryError) as refused:
        parse_zone(yaml.safe_dump(document))
    problems = refused.value.problems
    (known,) = [p.remedy.removeprefix("known keys: ").split(", ") for p in problems if p.what == "unknown key"]
    assert set(known) == set(found["properties"])
    assert {p.what.split("`")[1] for p in problems if p.what.endswith("is missing")} >= set(found["required"])


# AsyncAPI

ASYNCAPI: dict[str, Any] = yaml.safe_load(committed("asyncapi.yaml"))


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_of_the_asyncapi_document_resolves() -> None:
    found = set(references(ASYNCAPI))
    assert {"./reading.schema.json#/$defs/reading", "#/components/messages/alert"} <= found
    for reference in found:
        file, _, pointer = reference.partition("#")
        node = json.loads(CONTRACTS.joinpath(file).read_text("utf-8")) if file else ASYNCAPI
        for step in pointer.split("/")[1:]:
            node = node[step]
        assert node


def test_the_asyncapi_document_has_every_topic_and_every_message_has_a_channel() -> None:
    channels = ASYNCAPI["channels"]
    assert {channel["address"] for channel in channels.values()} == {"{prefix}" + topic.name for topic in TOPICS}
    sent = {name for channel in channels.values() for name in channel["messages"]}
    assert sent == set(ASYNCAPI["components"]["messages"])
    done = {operation["channel"]["$ref"].rpartition("/")[2] for operation in ASYNCAPI["operations"].values()}
    assert done == set(channels)


def test_a_hand_over_is_told_by_a_header_of_what_it_made() -> None:
    made = HandOver("0123abcd", "0123abcd", "r", 5, 9, order=7)
    headers = {name: m["headers"].get("properties", {}) for name, m in ASYNCAPI["components"]["messages"].items() if "headers" in m}
    described = {name: found[HEADER] for name, found in headers.items() if HEADER in found}
    assert {"intervalBlock", "alertCandidates", "alert", "totals"} <= set(described) and "live" not in described
    for header in [*described.values(), schema("dead_letter")["properties"][HEADER]]:
        Draft202012Validator(header["contentSchema"]).validate(json.loads(made.encode()))
    assert {name for name, found in headers.items() if KEPT in found} == {"intervalBlock", "alertCandidates"}


def test_json_schemas_in_the_asyncapi_document_name_their_dialect() -> None:
    files_used = [m[part] for m in ASYNCAPI["components"]["messages"].values() for part in ("payload", "headers") if part in m]
    assert {part["schemaFormat"] for part in files_used if "schema" in part} == {SCHEMA_FORMAT}


@pytest.mark.parametrize(("message", "arrow"), [
    ("readingBlock", ARROW_SCHEMA), ("intervalBlock", INTERVAL_BLOCK), ("emissions", TABLES["emissions"].arrow_schema),
    ("totals", TABLES["totals"].arrow_schema), ("intensity", TABLES["intensity"].arrow_schema), ("live", TABLES["live"].arrow_schema),
])  # fmt: skip
def test_arrow_blocks_are_described_column_by_column(message: str, arrow: pa.Schema) -> None:
    columns = ASYNCAPI["components"]["messages"][message]["payload"]["x-arrow"]["columns"]
    assert [(c["name"], c["type"], c["nullable"]) for c in columns] == [(f.name, str(f.type), f.nullable) for f in arrow]
    assert all(c["description"] for c in columns)


def test_every_note_is_about_a_column_that_exists() -> None:
    tables = [t for t in TABLES.values() if t.name != "dead_letters"]
    assert set(COLUMN_NOTES) == {c.name for table in tables for c in table.columns}
    assert set(READING_NOTES) == set(ARROW_SCHEMA.names)
