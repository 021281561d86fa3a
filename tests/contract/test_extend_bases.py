"""A basis is one file and its place in the list: all else follows."""

from pathlib import Path
from typing import Any

import pytest
from extended import Extended

DOUBLED = '''
"""doubled: a company's electricity with twice its carbon."""

from typing import Any

from zonepulse.processors.accounting.plan import BEARING
from zonepulse.processors.accounting.series import MARKET_EMISSION, OTHER, emitted
from zonepulse.processors.accounting.window_sums import WindowSums
from zonepulse.processors.bases.basis import Basis, Given, Posted, Said


class Doubled(Basis):
    name = "doubled"

    def __init__(self, given: Given) -> None:
        self._settled = 0
        self._series: dict[int, tuple[str, int, int]] = {}
        for entity, company in enumerate(c.id for c in given.channels.registry.companies):
            found, add = given.series.location("company", entity + 1), given.series.add
            if (BEARING, "electricity") in found:
                total = add(OTHER, "twin", company, "electricity", 2, self.name)
                row = add(MARKET_EMISSION, "company", company, "", 2, self.name)
                self._series[found[BEARING, "electricity"]] = company, total, row

    def update(self, posted: Posted, windows: WindowSums) -> Said:
        touched = zip(posted.touched["series"].tolist(), posted.touched["slot"].tolist(), strict=True)
        bought = []
        for (series, slot), now in windows.read([pair for pair in touched if pair[0] in self._series]).items():
            company, total, row = self._series[series]
            if now.exists:
                twice = None if now.co2e is None else 2 * now.co2e
                windows.emit(total, slot, emitted(now.energy, twice, now.est, now.cov, now.expected))
                windows.emit(row, slot, emitted(now.energy, twice))
                bought.append((company, windows.start(slot), False))
        windows.commit(posted.tick)
        return Said(bought)

    def settle(self, slot: int, windows: WindowSums) -> None:
        self._settled += 1

    def origin(self, series: int, start: int) -> tuple[str, str]:
        return "twice", "own"

    def held(self) -> Any:
        return {"settled": self._settled}

    def resume(self, held: Any) -> None:
        self._settled = held["settled"]
'''

PROGRAM = """
import json
from collections import defaultdict
from dataclasses import replace
from core_runs import fetches, final, spans
from small_logs import DAY, IMPORT, MINUTE, meter, on_time, reading, zone_text
from snapshots import Shelf
from zonepulse.processors.channels.table import compile_registry
from zonepulse.processors.ledger.snapshot import freeze_ledger
from zonepulse.processors.zone_run import ZoneRun
from zonepulse.schemas.zone_file.read import parse_zone
import pyarrow as pa
from zonepulse.schemas.tables.results import TABLES

registry = parse_zone(zone_text(meter(IMPORT)))
core, made = ZoneRun(registry, 1), defaultdict(list)
log = on_time(*(reading(DAY + 15 * MINUTE * i, i * (i + 1)) for i in range(24)))
for fetch in fetches(log):
    for name, batches in core.records(spans(fetch)).items():
        made[name] += batches
rows = {n: final({n: pa.Table.from_batches(b, TABLES[n].arrow_schema).unify_dictionaries()})[n].to_pylist() for n, b in made.items()}
held = core.ledger.held()["doubled"]
shelf = Shelf()
shelf.put(freeze_ledger(core.ledger, 0))
restored = shelf.ledger({0: core.channels}).held()["doubled"]
core.ledger.announce(0, compile_registry(replace(registry, version=1), 1))
core.ledger.advance()
totals = {(r["entity_kind"], r["basis"], str(r["start"])): (r["energy_micro"], r["co2e_mg"]) for r in rows["totals"]
    if r["entity"] == "c1" and r["carrier"] == "electricity" and r["scope"] == 2}
print(json.dumps({
    "location": [v for k, v in totals.items() if k[:2] == ("company", "location")],
    "doubled": [v for k, v in totals.items() if k[:2] == ("twin", "doubled")],
    "emissions": [(r["energy_micro"], r["factor_id"], r["rung"]) for r in rows["emissions"] if r["basis"] == "doubled"],
    "alerts": [r["evidence"] for r in rows["alerts"] if r["rule"] == "no_factor"],
    "held": [held, restored, core.ledger.held()["doubled"]],
    "version": core.ledger.channels.registry.version,
}))
"""


TWIN = """
from collections.abc import Callable
from typing import Any

from zonepulse.oracle.carbon.book import Book


def double(book: Book, start_ms: Callable[[int], int], touched: dict[str, set[int]], tick: int) -> dict[Any, list[tuple[int, bool]]]:
    found: dict[Any, list[tuple[int, bool]]] = {}
    for company, numbers in touched.items():
        for start in sorted(map(start_ms, numbers)):
            line = book.total(start, "company", company, "electricity", 2, "location")
            if line is None:
                continue
            twice = None if line["co2e_mg"] is None else 2 * line["co2e_mg"]
            book.write("totals", line | {"entity_kind": "twin", "basis": "doubled", "co2e_mg": twice}, tick)
            row = {name: line[name] for name in ("zone", "start", "length_s", "scope", "energy_micro")}
            row |= {"company": company, "meter": "", "register": "", "basis": "doubled", "co2e_mg": twice, "estimated_micro": 0}
            book.write("emissions", row | {"factor_id": "twice", "rung": "own"}, tick)
            found.setdefault((company, "electricity", "doubled"), []).append((start, False))
    return found
"""

JUDGED = """
import json
from core_runs import disagreements, emitted, expected, fetches, final
from small_logs import DAY, IMPORT, MINUTE, meter, on_time, reading, zone_text
text = zone_text(meter(IMPORT))
log = on_time(*(reading(DAY + 15 * MINUTE * i, i * (i + 1)) for i in range(8)))
print(json.dumps(disagreements(expected(text, log, 1, finish=False), final(emitted(text, fetches(log), 1, finish=False)))))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a zone says whose ledger has the basis."""
    tree = with_basis(Extended(tmp_path_factory.mktemp("basis")))
    assert len(tree.files) == 2
    said: dict[str, Any] = tree.run(PROGRAM)
    return said


def with_basis(tree: Extended) -> Extended:
    tree.add("processors/bases/doubled.py", DOUBLED)
    tree.alter(
        "processors/bases/bases.py",
        (
            "from zonepulse.processors.bases.nodal",
            "from zonepulse.processors.bases.doubled import Doubled\nfrom zonepulse.processors.bases.nodal",
        ),
        ("(Market, Nodal)", "(Market, Nodal, Doubled)"),
    )
    return tree


@pytest.mark.integration
def test_a_basis_of_two_files_has_totals_and_emissions_beside_location(found: dict[str, Any]) -> None:
    assert len(found["location"]) > 20
    assert found["doubled"] == [[energy, co2e and 2 * co2e] for energy, co2e in found["location"]]
    assert found["emissions"] == [[energy, "twice", "own"] for energy, _ in found["location"]]
    assert found["alerts"] == ['{"basis":"doubled","carrier":"electricity"}']


@pytest.mark.integration
def test_its_state_goes_through_snapshots_and_registry_versions(found: dict[str, Any]) -> None:
    held, restored, switched = found["held"]
    assert held["settled"] > 10
    assert restored == switched == held
    assert found["version"] == 1


@pytest.mark.integration
def test_a_twin_in_the_oracle_judges_it(tmp_path: Path) -> None:
    tree = with_basis(Extended(tmp_path))
    assert {line.partition(" ")[0] for line in tree.run(JUDGED)} >= {"emissions", "totals"}, "without a twin nothing is expected"
    tree.add("oracle/carbon/doubled.py", TWIN)
    market = "        found |= self._market.apply("
    tree.alter(
        "oracle/ledger.py",
        (market, "        found |= double(self._book, self._grid.start_ms, of_company, tick)\n" + market),
        (
            "from zonepulse.oracle.carbon.entries",
            "from zonepulse.oracle.carbon.doubled import double\nfrom zonepulse.oracle.carbon.entries",
        ),
    )
    assert tree.run(JUDGED) == []
    tree.alter("oracle/carbon/doubled.py", ("else 2 * line", "else 3 * line"))
    assert any("co2e_mg is " in line for line in tree.run(JUDGED))
