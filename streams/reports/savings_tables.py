"""Tables of measures, savings and the baselines that they are counted against. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import sqrt
from typing import Any, Final

from babel.numbers import format_decimal

from zonepulse.processors.efficiency.baseline import CONSTANT, COOLING, HEATING, Baseline, Refused
from zonepulse.processors.efficiency.history import days_between
from zonepulse.processors.efficiency.savings import Month
from zonepulse.schemas.registry.efficiency.networks import EFFICIENCY, Efficiency, Measure
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.sections import whole_of
from zonepulse.streams.board.words import LOCALES
from zonepulse.streams.efficiency.network import Asked, CarrierSavings, MemberSavings, attained, sum_of
from zonepulse.streams.efficiency.words import reason
from zonepulse.streams.reports.report import Column, Table
from zonepulse.streams.reports.words import ReportWords

_COMPANY: Final = Column("company")
_REMARK: Final = Column("remark")


class SavingsTables:
    """Of companies over a period, for one reader. `is_own`: of the one company that the report is about, which no column names."""

    def __init__(self, registry: Registry, found: Sequence[MemberSavings], asked: Asked, say: ReportWords, *, is_own: bool) -> None:
        self._found, self._asked, self._say, self._is_own = found, asked, say, is_own
        self._names = {one.id: say.name(one.name, one.id) for one in registry.companies}
        self._efficiency: Efficiency = whole_of(registry, EFFICIENCY)

    def members(self) -> Table:
        """What each means to save, and what its measures are said to save a year."""
        rows = [
            [
                self._names[one.company], str(one.target.base_year) if one.target else "", one.target.kwh_a if one.target else None,
                one.measured.kwh_a, one.measured.kwh_a / one.target.kwh_a if one.target else None,
                one.target.kg_a if one.target else None, None if one.measured.without_kg else one.measured.kg_a,
            ]
            for one in self._found
        ]  # fmt: skip
        columns = (
            _COMPANY, Column("base_year"), Column("target_kwh_a", "number"), Column("measures_kwh_a", "number"),
            Column("of_target", "share", 1), Column("target_kg_a", "number"), Column("measures_kg_a", "number"),
        )  # fmt: skip
        return Table("members", columns, rows)

    def savings(self) -> Table:
        """By measures and by meters, side by side."""
        rows = []
        for one in self._found:
            kwh, kg, measures = one.kwh(), one.kg(), sum(one.measured.kwh.values())
            low_high = (None, None) if kwh is None else (kwh.amount - kwh.half_width, kwh.amount + kwh.half_width)
            rows.append([
                self._names[one.company], measures, kwh.amount if kwh else None, *low_high,
                kwh.amount - float(measures) if kwh else None,
                attained(kwh.amount, one.target.kwh_a if one.target else None, self._asked) if kwh else None,
                kg.amount if kg else None,
            ])  # fmt: skip
        columns = (
            _COMPANY, Column("by_measures_kwh", "number"), Column("by_meters_kwh", "number"), Column("low_kwh", "number"),
            Column("high_kwh", "number"), Column("difference_kwh", "number"), Column("of_target", "share", 1),
            Column("by_meters_kg", "number"),
        )  # fmt: skip
        return self._table("savings", columns, rows, self._say("savings_note", **self._span()))

    def carriers(self) -> Table:
        """What the baseline of each carrier expects, and what was used."""
        rows = []
        for one, carrier in self._each():
            found = carrier.found
            cells: list[Any] = [None] * 7
            remark = reason(found, self._say.language) if isinstance(found, Refused) else ""
            if not isinstance(found, Refused):
                cells = [found.reference, found.actual, found.saved, found.half_width, found.days, found.days_with_substitute,
                         found.days_without_energy]  # fmt: skip
            unit = carrier.history.unit if carrier.history else ""
            rows.append([self._names[one.company], self._say.word(carrier.carrier), unit, *cells, remark])
        columns = (
            _COMPANY, Column("carrier"), Column("unit_word"), Column("reference", "number"), Column("used", "number"),
            Column("saved", "number"), Column("plus_minus", "number"), Column("days_counted", "number"),
            Column("days_substituted", "number"), Column("days_left_out", "number"), _REMARK,
        )  # fmt: skip
        return self._table("savings-by-carrier", columns, rows, self._say("carriers_note"))

    def months(self) -> Table:
        """What meters say month by month, of all companies together; empty where one of them has no answer.

        A month of which a carrier has no known day has no sum. What is cumulative is of the days that are known, as the period's sum is.
        """
        known = sum_of([one.kwh() for one in self._found]) is not None
        each = [(self._who(one.company, carrier.carrier), carrier) for one, carrier in self._each()] if known else []
        by_month = [(who, _months_kwh(carrier), _left_out(carrier, self._asked)) for who, carrier in each]
        latest, rows = dict[str, Month](), list[list[Any]]()
        for name in dict.fromkeys(day.strftime("%Y-%m") for day in days_between(self._asked.first, self._asked.end)):
            mine = {who: months[name] for who, months, _ in by_month if name in months}
            latest |= mine
            without = [who for who, _, _ in by_month if who not in mine]
            left_out = [f"{who} ({days[name]})" for who, _, days in by_month if who in mine and days[name]]
            remarks = [self._say("months_without", who=", ".join(without))] if without else []
            remarks += [self._say("months_left_out", who=", ".join(left_out))] if left_out else []
            if by_month:
                rows.append([
                    name, None if without else sum(one.saved for one in mine.values()), sum(one.cumulative for one in latest.values()),
                    sqrt(sum(one.half_width**2 for one in latest.values())), "; ".join(remarks),
                ])  # fmt: skip
        columns = (
            Column("month"), Column("saved_kwh", "number"), Column("cumulative_kwh", "number"), Column("plus_minus_kwh", "number"), _REMARK,
        )  # fmt: skip
        return Table("savings-by-month", columns, rows)

    def _who(self, company: str, carrier: str) -> str:
        word = self._say.word(carrier)
        return word if self._is_own else f"{self._names[company]}: {word}"

    def baselines(self) -> Table:
        """The models, with what they were judged by."""
        rows = []
        for one, carrier in self._each():
            model = carrier.baseline
            if model is None:
                continue
            statistics = [model.r2, model.cv_rmse_monthly, model.nmbe_monthly]
            verdict = self._say("accepted" if model.is_accepted else "not_accepted")
            rows.append([
                self._names[one.company], self._say.word(carrier.carrier), f"{model.first} – {model.end}", model.days,
                model.missing_days, self._model(model), *statistics, verdict,
            ])  # fmt: skip
        columns = (
            _COMPANY, Column("carrier"), Column("fitted_on"), Column("days_counted", "number"), Column("days_left_out", "number"),
            Column("model"), Column("r2", "number", 3), Column("cv_rmse", "share", 1), Column("nmbe", "share", 1), Column("verdict"),
        )  # fmt: skip
        return self._table("baselines", columns, rows, self._say("baselines_note"))

    def _model(self, model: Baseline) -> str:
        """Energy of a day as it is predicted: 120 + 2.5 × heating degree days (< 15 °C)."""
        degrees = {HEATING: f" (< {model.heating_c} °C)", COOLING: f" (> {model.cooling_c} °C)"}
        terms = ""
        for variable in model.variables:
            size = format_decimal(abs(float(f"{variable.coefficient:.4g}")), "#,##0.######", locale=LOCALES[self._say.language])
            name = "" if variable.name == CONSTANT else f" × {self._say.word(variable.name)}{degrees.get(variable.name, '')}"
            sign = "−" if variable.coefficient < 0 else "+" if terms else ""
            terms += f" {sign} {size}{name}" if terms else f"{sign}{size}{name}"
        return f"{terms}; {model.unit}"

    def measures(self, network: str = "") -> Table:
        """Everything that is planned, done or dropped; `network`: in this one alone."""
        companies = {one.company for one in self._found}
        mine = (one for one in self._efficiency.measures if one.company in companies and network in ("", one.network))
        rows = list(map(self._measure, mine))
        columns = (
            _COMPANY, Column("measure"), Column("technology"), Column("state"), Column("starts"), Column("kwh_a", "number"),
            Column("by_carrier"), Column("kg_a", "number"), Column("method"), Column("investment_cny", "number"), Column("evidence"),
        )  # fmt: skip
        return self._table("measures", columns, rows, self._say("measures_note"))

    def _measure(self, one: Measure) -> list[Any]:
        say = self._say
        by_carrier = "; ".join(f"{say.word(carrier)} {say.number(float(kwh))}" for carrier, kwh in one.kwh_a)
        return [
            self._names[one.company], one.title, one.technology, say(f"measure_{one.status}"), one.starts,
            sum(kwh for _, kwh in one.kwh_a), by_carrier, one.kg_a, say(f"method_{one.method}"), one.investment_cny, one.evidence,
        ]  # fmt: skip

    def records(self, network: str) -> list[Table]:
        """Reviews, changes of static factors, and snapshots; those that there are."""
        companies = {one.company for one in self._found}
        mine = self._efficiency
        reviews = [
            [self._names[one.company], one.on, one.by, one.evidence]
            for one in mine.reviews
            if one.network == network and one.company in companies
        ]
        changes = [
            [self._names[one.company], one.on, one.what, one.by, one.evidence]
            for one in mine.static_changes
            if one.company in companies
        ]
        on, by, evidence = Column("on_day"), Column("by_whom"), Column("evidence")
        found = (
            self._table("reviews", (_COMPANY, on, by, evidence), reviews, ""),
            self._table("static-changes", (_COMPANY, on, Column("alert_what"), by, evidence), changes, ""),
        )
        return [one for one in found if one.rows]

    def _each(self) -> Iterable[tuple[MemberSavings, CarrierSavings]]:
        return ((one, carrier) for one in self._found for carrier in one.carriers)

    def _span(self) -> dict[str, str]:
        return {"first": self._asked.first.isoformat(), "end": self._asked.end.isoformat()}

    def _table(self, name: str, columns: tuple[Column, ...], rows: Sequence[Sequence[Any]], note: str) -> Table:
        if not self._is_own:
            return Table(name, columns, rows, note=note)
        return Table(name, columns[1:], [row[1:] for row in rows], note=note)


def _months_kwh(carrier: CarrierSavings) -> dict[str, Month]:
    """A carrier's months, in kWh."""
    assert not isinstance(carrier.found, Refused) and carrier.kwh_per_unit is not None
    kwh = float(carrier.kwh_per_unit)
    return {
        one.month: Month(one.month, one.saved * kwh, one.cumulative * kwh, one.half_width * kwh) for one in carrier.found.months
    }


def _left_out(carrier: CarrierSavings, asked: Asked) -> Counter[str]:
    """Month -> its days without energy, which count on neither side."""
    days = carrier.history.between(asked.first, asked.end).days if carrier.history else ()
    return Counter(day.day.strftime("%Y-%m") for day in days if day.energy is None)
