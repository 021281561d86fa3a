"""Which states that live tasks have kept a run may begin with."""

from importlib.metadata import version
from typing import Any

import pytest

from zonepulse.schemas.messages.hand_overs import HandOver, facts_of
from zonepulse.streams.checkpoints.handed_states import PROGRAM
from zonepulse.streams.control.kept_states import do_fit

TICK_MS, AT_MS = 60_000, 600_000
OURS: dict[str, Any] = {PROGRAM: version("zonepulse")}


def facts(*ticks: int, through: tuple[int, ...] = (9, 9), applied: int = 9, **more: Any) -> list[dict[str, Any]]:
    partitions = [OURS | {"tick": tick, "ingest": tick * TICK_MS + 30_000} | more for tick in ticks]
    return [*partitions, OURS | {"applied": applied, "through": list(through)}]


def test_states_of_before_the_stretch_fit() -> None:
    assert do_fit(facts(9, 8), AT_MS, TICK_MS)
    assert do_fit(facts(9, 8, applied=10), AT_MS, TICK_MS)


@pytest.mark.parametrize(
    "found",
    [
        facts(10, 8, through=(10, 9)), facts(9, 8, applied=11), facts(9, 8, through=(8, 9)), facts(9, 8, **{PROGRAM: "0.0.1"}),
        facts(9, 8, **facts_of(HandOver("0123abcd", "0123abcd", "r", 5, 9))),
    ],
    ids=["a record of the stretch", "a tick of the stretch", "rows that the ledger lacks", "another program", "another state"],
)  # fmt: skip
def test_others_do_not(found: list[dict[str, Any]]) -> None:
    assert not do_fit(found, AT_MS, TICK_MS)
