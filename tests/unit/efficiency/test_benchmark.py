"""`zonepulse benchmark`: what its documents say, to whom, and an attacker who asks for them 10,000 times."""

import json
import random
import stat
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest
from disclosure_attack import BANDS, FILTERS, SECTORS, Attacker, zone_of

from zonepulse.processors.indicators.disclosure import Member
from zonepulse.schemas.indicators.periods import parse_period
from zonepulse.schemas.zone_file.indicator_sets import shipped_sets
from zonepulse.streams.efficiency.benchmark import (
    Benchmark,
    Left,
    band_of,
    bands,
    benchmark,
    company_document,
    earlier_reports,
    keep,
    moderator_document,
    public_document,
)
from zonepulse.streams.screen import BadInput

INDICATOR = next(one for one in shipped_sets()["company"].indicators if one.id == "electricity_per_employee")


def made(members: Sequence[Member], folder: Path | None = None) -> Benchmark:
    """A report as the command makes it: beside those of the folder, and kept there."""
    earlier = earlier_reports(folder, INDICATOR.id) if folder else []
    one = benchmark(INDICATOR, parse_period("2025"), members, [Left("z", "no_meter")], earlier)
    if folder:
        keep(one, folder, "")
    return one


def test_what_is_published_names_nobody() -> None:
    everybody = zone_of(3)
    text = json.dumps(public_document(made(everybody)))
    assert not any(f'"{member.company}"' in text for member in everybody)
    assert "total" not in text, "a sum of ratios says nothing, and gives parts away"


def test_pseudonyms_are_new_in_every_report() -> None:
    everybody = zone_of(3)
    one, other = made(everybody), made(everybody)
    assert one.id != other.id and not set(one.pseudonyms.values()) & set(other.pseudonyms.values())
    assert len(set(one.pseudonyms.values())) == len(one.pseudonyms)
    order = [one.pseudonyms[company] for company in sorted(one.pseudonyms)]
    assert order != sorted(order), "their order tells nothing"


def test_a_company_sees_itself_and_the_moderator_sees_all() -> None:
    everybody = zone_of(3)
    one = made(everybody)
    shown = sorted(one.pseudonyms)
    own = company_document(one, shown[0])
    assert own["pseudonym"] == one.pseudonyms[shown[0]] and own["quarter"] in (1, 2, 3, 4)
    assert not any(f'"{company}"' in json.dumps(own) for company in shown[1:])
    everything = moderator_document(one)
    assert (
        sorted(everything["names"].values()) == shown
        and sorted(company for group in everything["groups"] for company in group) == shown
    )
    assert everything["left_out"] == [{"company": "z", "why": "no_meter"}]
    assert company_document(one, "z") == {
        "company": "z", "value": None, "pseudonym": None, "quarter": None, "group": None, "left_out": "no_meter",
    }  # fmt: skip


@pytest.mark.large
def test_ten_thousand_filters_of_the_command_s_documents_give_nobody_away() -> None:
    everybody = zone_of(7)
    one, chance = made(everybody), random.Random(7)
    index = {member.company: i for i, member in enumerate(everybody)}
    shown = {member for block in one.report.blocks for member in block}
    sets = set[int]()
    for _ in range(FILTERS):
        sectors, sizes = (chance.sample(of, chance.randint(0, len(of))) for of in (SECTORS, BANDS))
        figures = public_document(one, sectors, sizes)["figures"]
        if figures is not None:
            asked = [m for m in shown if (not sectors or m.sector in sectors) and (not sizes or m.size_band in sizes)]
            assert figures["members"] == len(asked) >= 5
            sets.add(sum(1 << index[m.company] for m in asked))
    attacker = Attacker(sorted(sets), len(everybody))
    assert len(sets) > 100 and not any(attacker.knows(1 << i) for i in range(len(everybody)))
    for _ in range(FILTERS):
        a, b = chance.choice(sorted(sets)[:200]), chance.choice(sorted(sets)[-200:])
        for group in (a & ~b, b & ~a, a & b):
            assert not group or group.bit_count() >= 5 or not attacker.knows(group)


@pytest.mark.parametrize("moved", [1, 4])
def test_reports_one_after_the_other_give_nobody_away(tmp_path: Path, moved: int) -> None:
    def of(count: int) -> list[Member]:
        return [Member(f"m{i}", "C34", "<1000", Fraction(100 + i), Fraction(10 + i)) for i in range(count)]

    assert public_document(made(of(9), tmp_path))["figures"]["members"] == 9
    assert public_document(made(of(9 + moved), tmp_path))["figures"] is None
    assert public_document(made(of(9), tmp_path))["figures"]["members"] == 9
    assert public_document(made(of(9 + moved)))["figures"] is not None, "it is the earlier report that forbids it"


def test_records_are_for_their_owner_only_and_a_broken_one_is_not_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    made(zone_of(3), folder)
    (path,) = folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(folder.stat().st_mode) == 0o700
    path.write_text("{", "utf-8")
    with pytest.raises(BadInput, match="no record of a benchmark"):
        earlier_reports(folder, INDICATOR.id)


def test_size_bands_are_half_open_and_stand_in_order() -> None:
    edges = bands("")
    assert [band_of(Fraction(tce), edges) for tce in (0, 999, 1000, 4999, 5000, 10_000)] == [
        "<1000", "<1000", "1000-5000", "1000-5000", "5000-10000", ">=10000",
    ]  # fmt: skip
    for wrong in ("5000,1000", "0,5", "many"):
        with pytest.raises(BadInput, match="--bands"):
            bands(wrong)
