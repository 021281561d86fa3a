"""Faults of most kinds in a minute or two; the long form, with every kind, is a soak."""

from pathlib import Path

import pytest
from chaos_runs import chaos

from zonepulse.streams.chaos.kinds import KINDS
from zonepulse.streams.chaos.plan import planned

pytestmark = [pytest.mark.integration, pytest.mark.long]
SEED, FAULTS = 20261111, 7


def test_a_plan_is_a_function_of_its_seed() -> None:
    plan = planned(7, len(KINDS), KINDS, longest_s=10)
    assert plan == planned(7, len(KINDS), KINDS, longest_s=10) != planned(8, len(KINDS), KINDS, longest_s=10)
    assert {fault.kind for fault in plan} == {kind.name for kind in KINDS}, "with as many faults as kinds each strikes"
    assert max(fault.seconds for fault in plan) <= 10
    shares = [fault.share for fault in plan]
    assert shares == sorted(shares)


@pytest.mark.timeout(1800)
def test_a_short_chaos_leave_every_row_as_the_oracle_says(tmp_path: Path) -> None:
    kinds = {fault.kind for fault in planned(SEED, FAULTS, KINDS, longest_s=6)}
    assert kinds == {"kill", "restart", "kill_server", "pause_server", "hostile_records", "hostile_requests", "replay"}, SEED
    result = chaos(tmp_path, SEED, FAULTS, 20_000, "--longest", "6")
    assert result["faults"] == FAULTS
