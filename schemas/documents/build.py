"""The contracts as documents for people and programs elsewhere: JSON Schema files and an AsyncAPI document, made from the code.

`python -m zonepulse.schemas.documents.build DIR` writes them; `contracts/` holds them as committed.
"""

import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import Final

import yaml

from zonepulse.schemas.documents.asyncapi import asyncapi
from zonepulse.schemas.documents.message_schemas import (
    alert_schema,
    command_schema,
    dead_letter_schema,
    reading_schema,
    registry_entity_schema,
    subscriber_record_schema,
)
from zonepulse.schemas.documents.parts import Schema
from zonepulse.schemas.documents.zone_schema import zone_schema

_SCHEMAS: Final = {
    "reading": reading_schema,
    "alert": alert_schema,
    "command": command_schema,
    "subscriber": subscriber_record_schema,
    "dead_letter": dead_letter_schema,
    "registry_entity": registry_entity_schema,
    "zone": zone_schema,
}


def documents() -> dict[str, str]:
    """File name -> text of every document."""
    return {f"{name}.schema.json": _json(make()) for name, make in _SCHEMAS.items()} | {"asyncapi.yaml": _yaml(asyncapi())}


def committed(name: str) -> str:
    """The text of a document as it is shipped. Raises FileNotFoundError."""
    return files("zonepulse.schemas").joinpath("contracts", name).read_text("utf-8")


def _json(schema: Schema) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


class _PlainDumper(yaml.SafeDumper):
    """Writes a value that stands in several places each time, without anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _yaml(document: Schema) -> str:
    head = "# Generated: python -m zonepulse.schemas.documents.build DIR\n"
    return head + yaml.dump(document, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=132)


def main(arguments: list[str]) -> int:
    """Write every document into the folder that is named; returns the exit code."""
    if len(arguments) != 1:
        print("usage: python -m zonepulse.schemas.documents.build DIR", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (folder / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
