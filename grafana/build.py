"""Writes the dashboards: `python grafana/build.py [--zone zone.yaml] [--out FOLDER]`; without options, those of the demo's zone.

The limits, window, time zone and rule texts on a dashboard are those of the zone's registry file: build again when they change.
"""

import argparse
import json
import pkgutil
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import boards
from boards.frame import Board

from zonepulse.schemas.languages import LANGUAGES
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.queries.limits import limits_of

DASHBOARDS = Path(__file__).parent / "dashboards"


def declared() -> list[Board]:
    """Every board that a module of `boards` declares."""
    modules = [import_module(f"boards.{module.name}") for module in pkgutil.iter_modules(boards.__path__)]
    return [module.BOARD for module in modules if hasattr(module, "BOARD")]


def dashboards(zone_yaml: str) -> dict[str, dict[str, Any]]:
    """File name -> dashboard, for the zone described by this registry file."""
    limits = limits_of(parse_zone(zone_yaml))
    made = [board.make(limits, language) for board in declared() for language in LANGUAGES]
    return {f"{one['uid'].removeprefix('zp-')}.json": one for one in made}


def text_of(dashboard: dict[str, Any]) -> str:
    """A dashboard as its file holds it."""
    return json.dumps(dashboard, ensure_ascii=False, indent=1) + "\n"


def demo_zone() -> str:
    """The registry file of the demo's zone."""
    return (files("zonepulse.deploy") / "demo" / "zone.yaml").read_text("utf-8")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="writes the Grafana dashboards of a zone")
    parser.add_argument("--zone", type=Path, help="the zone's registry file (default: the demo's)")
    parser.add_argument("--out", type=Path, default=DASHBOARDS, help="folder to write to (default: grafana/dashboards)")
    asked = parser.parse_args()
    zone_yaml = asked.zone.read_text("utf-8") if asked.zone else demo_zone()
    asked.out.mkdir(parents=True, exist_ok=True)
    for name, dashboard in dashboards(zone_yaml).items():
        (asked.out / name).write_text(text_of(dashboard), "utf-8")
        print(asked.out / name)


if __name__ == "__main__":
    main()
