"""The tables of a month of a company or the zone. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, Final

from zonepulse.processors.indicators.answers import Answer, Missing
from zonepulse.processors.indicators.evaluate import LEAST_COVERED, MOST_ESTIMATED, Result, Value
from zonepulse.processors.indicators.measured import CONTRACT, Measured
from zonepulse.processors.indicators.sums import Entity, RowKey, RowSum
from zonepulse.schemas.carriers import ELECTRICITY, is_entered
from zonepulse.schemas.indicators.conversions import ELECTRICITY_VALUES, Electricity, conversion, is_energy
from zonepulse.schemas.indicators.model import IndicatorSet
from zonepulse.schemas.units import MICRO
from zonepulse.streams.board.facts import Zone
from zonepulse.streams.board.zone_view import rule_name
from zonepulse.streams.indicators import words as indicator_words
from zonepulse.streams.indicators.report import bound_text
from zonepulse.streams.reports.month import Month
from zonepulse.streams.reports.report import Column, Table
from zonepulse.streams.reports.savings_tables import SavingsTables
from zonepulse.streams.reports.words import ReportWords

_MG_IN_T: Final = 10**9
_KG_IN_T: Final = 1000


_COVERED: Final = (Column("covered_share", "share", 1), Column("estimated", "share", 1))


class Tables:
    """The tables of a month for one reader."""

    def __init__(self, month: Month, say: ReportWords) -> None:
        self._month, self._say = month, say
        self._savings = SavingsTables(month.registry, month.savings, month.asked, say, is_own=month.entity.kind == "company")
        self._names = {one.id: say.name(one.name, one.id) for one in month.registry.companies}

    def all(self) -> list[Table]:
        """In the report's order."""
        own = [self.companies()] if self._month.entity.kind == "zone" else [self.meters()]
        quality = [self.quality(), self.methods()]
        return [
            self.summary(), self.energy(), self.emissions(), *own, self.factors(), *quality, *self.indicators(), *self._efficiency(),
            self.alerts(), self.digests(),
        ]  # fmt: skip

    def _efficiency(self) -> list[Table]:
        """Measures and savings; of a zone without members nothing."""
        if not self._month.savings:
            return []
        of = self._savings
        return [of.members(), of.measures(), of.savings()] if self._month.entity.kind == "zone" else [
            of.measures(), of.savings(), of.carriers(),
        ]  # fmt: skip

    def summary(self) -> Table:
        """What matters, each with how well it is known."""
        measured = Measured(self._month.sums, self._month.facts, self._month.entity)
        asked: list[tuple[str, str, Electricity, str, int]] = [
            ("electricity_use", "electricity_use_kwh", "equal", "kWh", 0),
            ("energy_equal", "energy_tce", "equal", "tce", 2),
            ("energy_equivalent", "energy_tce", "equivalent", "tce", 2),
            ("scope_1", "co2e_scope1_t", "equal", "t CO2e", 3),
            ("scopes_location", "co2e_location_t", "equal", "t CO2e", 3),
            ("scopes_market", "co2e_market_t", "equal", "t CO2e", 3),
        ]
        rows = [self._answer(key, measured.get(quantity, way), unit) for key, quantity, way, unit, _ in asked]
        columns = (Column("what"), Column("amount_word", "number", 3), Column("unit_word"), *_COVERED, Column("remark"))
        return Table("summary", columns, rows)

    def _answer(self, key: str, answer: Answer, unit: str) -> list[Any]:
        if isinstance(answer, Missing):
            because = indicator_words.BECAUSE[self._say.language].format(reasons=self._reason(answer))
            return [self._say(key), None, unit, None, None, because]
        weak = (answer.covered is not None and answer.covered < LEAST_COVERED) or (answer.estimated or 0) > MOST_ESTIMATED
        return [self._say(key), answer.value, unit, answer.covered, answer.estimated, self._say("provisional") if weak else ""]

    def energy(self) -> Table:
        """What was used of each carrier, and what it counts in tce."""
        rows = []
        for (carrier, unit), parts in sorted(self._used().items()):
            micro = [row.energy_micro for row in parts if row.energy_micro is not None]
            amount = Fraction(sum(micro), MICRO) if micro else None
            tce = [_tce(carrier, unit, amount, way) for way in ELECTRICITY_VALUES]
            weak = min(Fraction(1), Fraction(sum(row.estimated_micro for row in parts), sum(micro))) if sum(micro) > 0 else None
            rows.append([self._say.word(carrier), amount, unit, *tce, self._covered(parts), weak])
        columns = (
            Column("carrier"), Column("used", "number", 1), Column("unit_word"), Column("tce_equal", "number", 3),
            Column("tce_equivalent", "number", 3), *_COVERED,
        )  # fmt: skip
        return Table("energy", columns, rows)

    def _covered(self, rows: Sequence[RowSum]) -> Fraction:
        """Of series side by side: windows without a row are expected, too."""
        sums = self._month.sums
        due = sum(
            (Fraction(row.expected_ms * sums.period_ms, row.windows * sums.window_ms) for row in rows if row.windows), Fraction(0)
        )
        return min(Fraction(1), sum(row.covered_ms for row in rows) / due) if due else Fraction(0)

    def _used(self) -> dict[tuple[str, str], list[RowSum]]:
        """By carrier and base unit. The zone's electricity is its own sum; other carriers are its companies'."""
        month, found = self._month, defaultdict[tuple[str, str], list[RowSum]](list)
        is_zone = month.entity.kind == "zone"
        for company in month.facts.of(month.entity):
            for carrier, unit in month.facts.base_units.get(company, {}).items():
                row = month.sums.rows.get(RowKey(Entity("company", company), carrier, 0, ""))
                if row is not None and not (is_zone and carrier == ELECTRICITY):
                    found[carrier, unit].append(row)
        own = month.sums.rows.get(RowKey(month.entity, ELECTRICITY, 0, ""))
        if is_zone and own is not None:
            found[ELECTRICITY, "kWh"].append(own)
        return found

    def emissions(self) -> Table:
        """By scope, basis and carrier, then each scope's sum."""
        mine = sorted(
            ((key, row) for key, row in self._month.sums.rows.items() if key.entity == self._month.entity and key.scope),
            key=lambda one: (one[0].scope, one[0].basis, not one[0].carrier, one[0].carrier),
        )
        rows = []
        for key, row in mine:
            name = key.carrier.removeprefix(CONTRACT)
            carrier = (
                self._say("sum")
                if not key.carrier
                else f"{self._say('contract')} {name}"
                if name != key.carrier
                else self._say.word(name)
            )
            unit = self._unit(key.carrier)
            energy = None if row.energy_micro is None or not unit else Fraction(row.energy_micro, MICRO)
            rows.append([
                self._say(f"scope_{key.scope}"), self._say.word(f"basis_{key.basis}"), carrier, energy,
                unit, _tonnes(row.co2e_mg), self._month.sums.covered(row), _share(row) if key.carrier else None,
            ])  # fmt: skip
        columns = (
            Column("scope"), Column("basis"), Column("carrier"), Column("bears", "number", 1), Column("unit_word"),
            Column("tonnes", "number", 3), *_COVERED,
        )  # fmt: skip
        return Table("emissions", columns, rows, note=self._say("emissions_note"))

    def _unit(self, carrier: str) -> str:
        """Of the carrier's energy; '' where companies meter it in several."""
        if carrier.startswith(CONTRACT):
            return "kWh"
        if is_entered(carrier):
            return "kg"
        units = {
            self._month.facts.base_units.get(company, {}).get(carrier, "") for company in self._month.facts.of(self._month.entity)
        }
        known = units - {""}
        return known.pop() if len(known) == 1 else ""

    def companies(self) -> Table:
        """The zone's companies, those that emit most first."""
        rows = []
        for company in self._month.facts.companies:
            entity = Entity("company", company)
            use = self._month.sums.rows.get(RowKey(entity, ELECTRICITY, 0, ""))
            carbon = [self._carbon(entity, 1, "location"), self._carbon(entity, 2, "location"), self._carbon(entity, 2, "market")]
            amount = None if use is None or use.energy_micro is None else Fraction(use.energy_micro, MICRO)
            rows.append([company, self._names[company], amount, *carbon, *(self._known(use) if use else (None, None))])
        rows.sort(key=lambda row: (-sum(row[3:5], start=Fraction(0)) if None not in row[3:5] else -(row[4] or row[3] or 0), row[0]))
        columns = (
            Column("company"), Column("name"), Column("electricity_kwh", "number"), Column("scope_1_t", "number", 3),
            Column("scope_2_location_t", "number", 3), Column("scope_2_market_t", "number", 3), *_COVERED,
        )  # fmt: skip
        return Table("companies", columns, rows, note=self._say("companies_note"))

    def _carbon(self, entity: Entity, scope: int, basis: str) -> Fraction | None:
        row = self._month.sums.rows.get(RowKey(entity, "", scope, basis))
        return _tonnes(row.co2e_mg) if row else None

    def meters(self) -> Table:
        """The company's registers."""
        units = {
            (meter.id, register.id): register.base_unit for meter in self._month.registry.meters for register in meter.registers
        }
        rows = [
            [
                row["meter"], row["register"], self._say.word(row["carrier"]), self._say.word(row["direction"]),
                None if row["range_micro"] is None else Fraction(int(row["range_micro"]), MICRO),
                units.get((row["meter"], row["register"]), ""), row["complete"], row["estimated"],
            ]
            for row in self._month.rows["meters"]
        ]  # fmt: skip
        columns = (
            Column("meter"), Column("register"), Column("carrier"), Column("direction"), Column("amount_word", "number", 1),
            Column("unit_word"), *_COVERED,
        )  # fmt: skip
        return Table("meters", columns, rows)

    def factors(self) -> Table:
        """Every factor that answered, with its source."""
        rows = [
            [
                self._say.word(f"basis_{row['basis']}"), row["factor_id"], row["low"], row["high"],
                f"kg/{row['unit']}" if row["unit"] else "", row["rung"], _tonnes(row["mg"]), row["published"], row["confidence"],
                " ".join(part for part in (row["source"], row["source_url"]) if part),
            ]
            for row in self._month.rows["factors"]
        ]  # fmt: skip
        columns = (
            Column("basis"), Column("factor_word"), Column("lowest", "factor", 6), Column("highest", "factor", 6), Column("unit_word"),
            Column("rung"), Column("tonnes", "number", 3), Column("published"), Column("confidence"), Column("source_word"),
        )  # fmt: skip
        return Table("factors", columns, rows, note=self._say("factors_note"))

    def quality(self) -> Table:
        """How complete the readings are."""
        found = self._month.rows["quality"]
        keys = ("complete", "estimated", "without_value", "too_late", "refused")
        columns = tuple(Column(key, "share" if key in keys[:2] else "number", 1 if key in keys[:2] else 0) for key in keys)
        note = "quality_note" if self._month.entity.kind == "zone" else "quality_note_company"
        return Table("quality", columns, [[row[key] for key in keys] for row in found], note=self._say(note))

    def methods(self) -> Table:
        """How the windows' values came about."""
        columns = (
            Column("method"), Column("windows", "number"), Column("share", "share", 1), Column("energy_kwh", "number"),
            Column("meters", "number"),
        )  # fmt: skip
        rows = [
            [self._say.word(row["method"]), row["windows"], row["share"], row["energy"], row["meters"]]
            for row in self._month.rows["methods"]
        ]
        return Table("methods", columns, rows)

    def indicators(self) -> Iterable[Table]:
        """A table a set."""
        columns = (
            Column("indicator"), Column("value", "number", 4), Column("unit_word"), Column("counts_as"), Column("threshold"),
            Column("verdict"), *_COVERED, Column("remark"),
        )  # fmt: skip
        for one, results in self._month.indicators:
            rows = [row for result in results for row in self._indicator(result)]
            yield Table(
                f"indicators-{one.id}", columns, rows, title=self._set_title(one), note=f"{self._say('source_word')}: {one.source}"
            )

    def _set_title(self, one: IndicatorSet) -> str:
        return f"{self._say('indicators')}: {self._say.name(one.name, one.id)}"

    def _indicator(self, result: Result) -> Iterable[list[Any]]:
        language, one = self._say.language, result.indicator
        name = self._say.name(one.name, one.id)
        for value in result.values:
            yield [
                name, value.value, one.unit, indicator_words.ELECTRICITY[value.electricity][language] if value.electricity else "",
                bound_text(value.threshold), indicator_words.VERDICTS[value.verdict][language], value.covered, value.estimated,
                self._remark(value, one.gap_unit),
            ]  # fmt: skip
        if result.missing:
            reasons = "; ".join(map(self._reason, result.missing))
            yield [name, None, one.unit, "", "", "", None, None, indicator_words.BECAUSE[language].format(reasons=reasons)]

    def _remark(self, value: Value, unit: str) -> str:
        remarks = [self._say("provisional")] if value.is_provisional else []
        if value.gap is not None and unit:
            gap = self._say.number(float(value.gap), 3)
            remarks.append(indicator_words.GAP[self._say.language].format(gap=gap, unit=unit))
        return "; ".join(remarks)

    def _reason(self, missing: Missing) -> str:
        if missing.why == "input":
            return self._say("not_given", quantity=missing.quantity)
        return indicator_words.reason(missing, self._month.entity, self._month.period.text, self._say.language)

    def alerts(self) -> Table:
        """Those that stood in the month."""
        zone = Zone(self._month.registry)
        rows = [
            [
                self._say(row["severity"]), rule_name(zone, row["rule"], self._say), self._names.get(row["company"], row["company"]),
                row["meter"] or row["node"], row["starts_ms"], None if row["is_open"] else row["ends_ms"], row["impact_kg"],
            ]
            for row in self._month.rows["alerts"]
        ]  # fmt: skip
        columns = (
            Column("severity"), Column("alert_what"), Column("company"), Column("meter"), Column("began", "moment"),
            Column("ended", "moment"), Column("impact_kg", "number", 1),
        )  # fmt: skip
        return Table("alerts", columns, rows, note=self._say("alerts_note") if len(rows) >= 200 else "")

    def digests(self) -> Table:
        """What the report was made from."""
        rows = [[row["table"], row["rows"], row["digest"]] for row in self._month.rows["digests"]]
        return Table("digests", (Column("table"), Column("rows", "number"), Column("digest")), rows, note=self._say("digests_note"))

    def _known(self, row: RowSum) -> tuple[Fraction, Fraction | None]:
        return self._month.sums.covered(row), _share(row)


def _tonnes(mg: int | None) -> Fraction | None:
    return None if mg is None else Fraction(int(mg), _MG_IN_T)


def _share(row: RowSum) -> Fraction | None:
    """Estimated part of the energy."""
    if row.energy_micro is None or row.energy_micro <= 0:
        return None
    return min(Fraction(1), Fraction(row.estimated_micro, row.energy_micro))


def _tce(carrier: str, unit: str, amount: Fraction | None, way: Electricity) -> Fraction | None:
    found = conversion(carrier, unit, way) if is_energy(carrier) else None
    return None if found is None or amount is None else amount * found.kgce / _KG_IN_T
