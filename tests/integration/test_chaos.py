"""Every kind of fault once, in some minutes; the long form is a soak."""

from pathlib import Path

import pytest
from chaos_runs import chaos

from zonepulse.streams.chaos.kinds import KINDS
from zonepulse.streams.chaos.plan import planned

pytestmark = [pytest.mark.integration, pytest.mark.long]


def test_a_plan_is_a_function_of_its_seed() -> None:
    plan = planned(7, len(KINDS), KINDS, longest_s=10)
    assert plan == planned(7, len(KINDS), KINDS, longest_s=10) != planned(8, len(KINDS), KINDS, longest_s=10)
    assert {fault.kind for fault in plan} == {kind.name for kind in KINDS}, "with as many faults as kinds each strikes"
    assert max(fault.seconds for fault in plan) <= 10
    shares = [fault.share for fault in plan]
    assert shares == sorted(shares)


@pytest.mark.timeout(1800)
def test_some_minutes_of_chaos_leave_every_row_as_the_oracle_says(tmp_path: Path) -> None:
    result = chaos(tmp_path, 20261119, len(KINDS), 40_000, "--longest", "8")
    assert result["faults"] == len(KINDS)
