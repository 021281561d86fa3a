"""Texts of zone.yaml that never did harm: each is refused in named mistakes, and nothing of it is run."""

from pathlib import Path

import pytest
from zones import SMALL, small

from zonepulse.schemas.problems import RegistryError
from zonepulse.schemas.zone_file.read import parse_zone

REFUSED = {
    "a Python object": SMALL.replace("{id: a}", "!!python/object/apply:os.system ['touch RAN']"),
    "binary": SMALL.replace("{id: a}", "{id: !!binary YQ==}"),
    "a set": SMALL.replace("companies:\n  - {id: a}\n  - {id: b}", "companies: !!set {a, b}"),
    "an alias of itself": "zone: {id: z, timezone: UTC}\ncompanies: &a [*a]\n",
    "a merge of itself": "zone: &z {id: z, timezone: UTC, <<: *z}\n",
    "a key twice": SMALL + "companies: []\n",
    "two documents": SMALL + "---\n" + SMALL,
    "nothing": "",
    "blanks": "  \n \n",
    "tabs": SMALL.replace("  - {id: a}", "\t- {id: a}"),
    "NUL": SMALL + "\x00",
    "a zone of paths": SMALL.replace("Asia/Shanghai", "../../etc/passwd"),
    "a zone that is a file": SMALL.replace("Asia/Shanghai", "/etc/localtime"),
    "a zone that is a folder": SMALL.replace("Asia/Shanghai", "Asia"),
    "a zone with NUL": SMALL.replace("Asia/Shanghai", '"UTC\\0"'),
    "a long zone": SMALL.replace("Asia/Shanghai", "x" * 100_000),
    "an id with a newline": SMALL.replace("{id: a}", '{id: "a\\nb"}'),
    "an id with ESC": SMALL.replace("{id: a}", '{id: "\\e[2J"}'),
    "an id that turns the writing": SMALL.replace("{id: a}", '{id: "a\\u202eb"}'),
    "an id of 10 kB": SMALL.replace("{id: a}", "{id: " + "x" * 10_000 + "}"),
    "an id of 10 MB": SMALL.replace("{id: a}", "{id: " + "x" * 10_000_000 + "}"),
    **{
        f"a window of {text[:12]}": SMALL.replace("{id: z,", "{id: z, window: " + text + ",")
        for text in ("0s", "-15m", "9" * 5_000 + "s", ".inf", "1e3s", "15")
    },
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_named_mistakes_and_nothing_is_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RegistryError) as refused:
        parse_zone(REFUSED[name])
    assert all(problem.what and problem.remedy for problem in refused.value.problems)
    assert max(len(str(problem)) for problem in refused.value.problems) < 2_000
    assert list(tmp_path.iterdir()) == []


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert parse_zone("\ufeff" + small()).zone == parse_zone(small()).zone
