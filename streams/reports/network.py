"""A network's report: savings from the year's first day to the month's last, for its moderator, one member, or everybody.

Only the moderator's names companies; a member's has its own numbers besides; and what both others say of the network tells of no member.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from zonepulse.processors.indicators.disclosure import Report as Disclosure
from zonepulse.schemas.indicators.periods import Period
from zonepulse.schemas.registry.efficiency.networks import EFFICIENCY, LEAST_MEMBERS, Efficiency, EfficiencyNetwork
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.sections import whole_of
from zonepulse.streams.efficiency.network import Asked, MemberSavings, Saved, attained, network_savings
from zonepulse.streams.efficiency.network_figures import Disclosed, Figure, disclosed, figures
from zonepulse.streams.indicators.store import Ask
from zonepulse.streams.reports.provenance import digests, is_settled
from zonepulse.streams.reports.report import Column, Report, Table
from zonepulse.streams.reports.savings_tables import SavingsTables
from zonepulse.streams.reports.words import ReportWords

_FEW: Final = 3
"""Members that a remark names."""
DIGESTED: Final = ("intervals", "totals")
"""Tables that savings are made from."""


class Reader(NamedTuple):
    """For whom a report is: a moderator by name, or a company by id; neither: everybody."""

    moderator: str = ""
    company: str = ""

    def sees(self, company: str) -> bool:
        """Whether a company's own numbers are for this reader."""
        return bool(self.moderator) or company == self.company


@dataclass(frozen=True, slots=True)
class NetworkMonth:
    """A network until the end of a month."""

    registry: Registry
    network: EfficiencyNetwork
    period: Period
    asked: Asked
    members: tuple[MemberSavings, ...]
    figures: Mapping[str, Figure]
    digests: Sequence[Mapping[str, Any]]
    is_settled: bool

    def disclosed(self, earlier: Mapping[str, Sequence[Disclosure]]) -> dict[str, Disclosed]:
        """The figures that tell of no member, not even beside earlier reports."""
        found = {name: disclosed(one, earlier.get(name, ())) for name, one in self.figures.items()}
        return {name: one for name, one in found.items() if one is not None}


def read_network(registry: Registry, network: EfficiencyNetwork, period: Period, asked: Asked, ask: Ask) -> NetworkMonth:
    """The network's savings as they are asked for. Raises what `ask` raises."""
    efficiency: Efficiency = whole_of(registry, EFFICIENCY)
    members = network_savings(registry, network, asked, ask)
    found = figures(members, [one for one in efficiency.measures if one.network == network.id])
    from_ms, to_ms = asked.span_ms(registry.zone.timezone)
    return NetworkMonth(
        registry, network, period, asked, members, {one.id: one for one in found},
        digests(registry, DIGESTED, from_ms, to_ms, ask), is_settled(registry, to_ms, ask),
    )  # fmt: skip


def network_report(found: NetworkMonth, reader: Reader, shown: Mapping[str, Disclosed], say: ReportWords) -> Report:
    """`shown` is what all but the moderator see of the network's figures."""
    zone, own = found.registry.zone, [one for one in found.members if reader.sees(one.company)]
    tables = SavingsTables(found.registry, own, found.asked, say, is_own=not reader.moderator)
    measures = tables.measures(found.network.id)
    named = [tables.members(), tables.savings(), tables.months(), tables.carriers(), tables.baselines(), measures]
    return Report(
        title=say("network_title"),
        name=say.name(found.network.name, found.network.id),
        period=_period(found, say),
        zone=say.name(zone.name, zone.id),
        state=" ".join((_for_whom(found, reader, say), say("settled" if found.is_settled else "unsettled"))),
        tables=[
            _Summary(found, reader, shown, say).table(),
            *(one for one in (*named, *tables.records(found.network.id)) if one.rows),
            *_snapshots(found),
            _digests(found, say),
        ],
        method=_method(found, say),
    )


def _period(found: NetworkMonth, say: ReportWords) -> str:
    """The months of the year until the report's."""
    month = say.month(found.period)
    return (
        month
        if found.period.first == found.asked.first
        else say("until_month", first=say.month_name(found.asked.first), month=month)
    )


def _for_whom(found: NetworkMonth, reader: Reader, say: ReportWords) -> str:
    if reader.moderator:
        return say("for_moderator", name=reader.moderator)
    if reader.company:
        name = next(say.name(one.name, one.id) for one in found.registry.companies if one.id == reader.company)
        return say("for_member", name=name)
    return say("for_everybody")


class _Summary:
    """The network's figures for one reader."""

    def __init__(self, found: NetworkMonth, reader: Reader, shown: Mapping[str, Disclosed], say: ReportWords) -> None:
        self._found, self._reader, self._shown, self._say = found, reader, shown, say
        self._names = {one.id: say.name(one.name, one.id) for one in found.registry.companies}

    def table(self) -> Table:
        """A row for each figure; what is not shown says why."""
        say, asked = self._say, self._found.asked
        count = len(self._found.members)
        rows: list[list[Any]] = [
            [
                say("members"),
                count,
                None,
                None,
                "",
                None,
                say("too_few_members", least=LEAST_MEMBERS) if count < LEAST_MEMBERS else "",
            ]
        ]
        for name, one in self._found.figures.items():
            saved = self._amount(name)
            low_high = (
                (saved.amount - saved.half_width, saved.amount + saved.half_width) if saved and saved.half_width else (None, None)
            )
            rows.append([
                say(f"figure_{name}"), saved.amount if saved else None, *low_high, one.unit, self._attained(name, asked), self._remark(one),
            ])  # fmt: skip
            rows += [self._difference()] if name == "meters_kwh" else []
        columns = (
            Column("what"), Column("amount_word", "number"), Column("low_90", "number"), Column("high_90", "number"), Column("unit_word"),
            Column("of_target", "share", 1), Column("remark"),
        )  # fmt: skip
        return Table("network-summary", columns, rows, note=say("network_note"))

    def _difference(self) -> list[Any]:
        """What meters say less what measures say, of all members."""
        meters, measures = self._whole("meters_kwh"), self._whole("measures_kwh")
        less = None if meters is None or measures is None else meters - measures
        return [self._say("figure_difference"), less, None, None, "kWh", None, ""]

    def _amount(self, name: str) -> Saved | None:
        if not self._reader.moderator:
            return self._shown[name].saved if name in self._shown else None
        figure = self._found.figures[name]
        is_nothing = not figure.parts and not figure.missing and not name.startswith("target")
        return Saved(0.0, 0.0) if is_nothing else figure.total()

    def _attained(self, name: str, asked: Asked) -> float | None:
        """Of the network's target, where both are of all members."""
        target = _TARGETS.get(name)
        saved, aim = self._whole(name), self._whole(target) if target else None
        if saved is None or not aim:
            return None
        return saved / aim if name.endswith("_a") else attained(saved, aim, asked)

    def _whole(self, name: str) -> float | None:
        saved = self._amount(name)
        is_whole = bool(self._reader.moderator) or (name in self._shown and self._shown[name].is_whole)
        return saved.amount if saved and is_whole else None

    def _remark(self, figure: Figure) -> str:
        say, shown = self._say, self._shown.get(figure.id)
        if figure.missing:
            few = self._reader.moderator and len(figure.missing) <= _FEW
            who = ", ".join(self._names[one] for one in figure.missing)
            return say("no_answer_of", who=who) if few else say("no_answer_of_some", count=len(figure.missing))
        if self._reader.moderator:
            return ""
        if shown is None:
            return say("not_disclosed", least=LEAST_MEMBERS)
        return "" if shown.is_whole else say("part_disclosed", count=len(shown.companies), least=LEAST_MEMBERS)


_TARGETS: Final = {
    "measures_kwh_a": "target_kwh_a", "meters_kwh": "target_kwh_a", "meters_kg": "target_kg_a", "measures_kg_a": "target_kg_a",
}  # fmt: skip
"""Figure -> the target that it is a part of."""


def _snapshots(found: NetworkMonth) -> list[Table]:
    """Those that were declared: a file with another digest is not the snapshot."""
    efficiency: Efficiency = whole_of(found.registry, EFFICIENCY)
    rows = [[one.id, one.period, one.taken, one.by, one.sha256] for one in efficiency.snapshots if one.network == found.network.id]
    columns = (Column("snapshot"), Column("period"), Column("on_day"), Column("by_whom"), Column("sha256"))
    return [Table("snapshots", columns, rows)] if rows else []


def _digests(found: NetworkMonth, say: ReportWords) -> Table:
    rows = [[row["table"], row["rows"], row["digest"]] for row in found.digests]
    return Table("digests", (Column("table"), Column("rows", "number"), Column("digest")), rows, note=say("digests_note_network"))


def _method(found: NetworkMonth, say: ReportWords) -> list[str]:
    registry, asked = found.registry, found.asked
    values = {
        "first": asked.first.isoformat(), "end": asked.end.isoformat(), "timezone": registry.zone.timezone, "version": registry.version,
        "sha256": registry.sha256, "weather": asked.source or say("no_weather"), "by": say(f"by_{asked.by}"),
    }  # fmt: skip
    texts = [say("method_network", **values)]
    return texts + [say(key) for key in ("method_measures", "method_savings", "method_savings_kg", "method_disclosure")]
