"""What a basis beside location is: series that it declares, and what it says of them, window by window."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

from numpy.typing import NDArray

from zonepulse.processors.accounting.factor_table import FactorTable
from zonepulse.processors.accounting.plan import AggregationPlan
from zonepulse.processors.accounting.series import SeriesTable
from zonepulse.processors.accounting.window_sums import WindowSums
from zonepulse.processors.channels.table import Channels
from zonepulse.processors.flow import Rows

Row = dict[str, Any]
"""Of table `alerts`."""


class Given(NamedTuple):
    """One registry version, as a basis is made for it."""

    channels: Channels
    plan: AggregationPlan
    """The series of the location basis."""
    series: SeriesTable
    """Where a basis adds its own."""
    table: FactorTable


class Posted(NamedTuple):
    """What one tick posted."""

    rows: Rows
    """flow.ROW."""
    slots: "NDArray[Any]"
    """Of the rows' windows."""
    touched: Rows
    """posting.SERIES_VALUE of the location series that say something new."""
    tick: int


class Said(NamedTuple):
    """What the ledger hears of a basis beside its series."""

    bought: Sequence[tuple[str, int, bool]] = ()
    """(company, start, whether there is a factor) of each new row of emissions with energy: no_factor is judged by them."""
    alerts: Sequence[Row] = ()


class Basis:
    """A basis of one registry version; its state goes on from version to version as what it holds. What it does not need, it leaves out.

    It writes by `windows.emit` and `windows.commit`; what its series say stays in the windows.
    """

    name: ClassVar[str]
    """As results have it."""
    storages: Sequence[str] = ()
    """Storages with a valuation of their own in each window (`sums.storage_valuation`); one basis alone may have them."""

    def __init__(self, given: Given) -> None:
        """Declare the series."""

    def update(self, posted: Posted, windows: WindowSums) -> Said:
        """Say anew what a tick's rows change."""
        return Said()

    def settle(self, slot: int, windows: WindowSums) -> None:
        """A window settles; windows do so in order of time."""

    def origin(self, series: int, start: int) -> tuple[str, str]:
        """Factor id and rung of an emissions series in a window."""
        return "", ""

    def look_again_from(self, start: int) -> None:
        """A window may have come to exist."""

    def judge(self, first: int, last: int, due: Callable[[int], int], windows: WindowSums) -> list[Row]:
        """Alerts about the windows that are ready at ticks first..last, between which nothing changes; `due`: start -> tick."""
        return []

    def held(self) -> Any:
        """Its state, as JSON: what a snapshot keeps."""
        return None

    def resume(self, held: Any) -> None:
        """Go on from what was held."""
