"""`pv_low`: plants beside one another, day by day, as schemas/messages/alerts.py says it."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

from zonepulse.oracle.alerts import Transition, Turns, place_of, raised, resolved
from zonepulse.oracle.carbon.plan import Key
from zonepulse.oracle.grid import Grid
from zonepulse.oracle.impact import of_energy
from zonepulse.oracle.periods import Calendar
from zonepulse.oracle.zone.registry import Facts

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Day:
    """A day on which a plant could be compared."""

    begin_ms: int
    yielded: int
    usual: int
    missing: int

    def is_below(self, fifths: int) -> bool:
        """Whether it yielded less than so many fifths of what others did."""
        return Fraction(self.yielded, self.usual) < Fraction(fifths, 5)


@dataclass
class PlantWatch(Turns):
    """All plants of a zone."""

    plants: list[Key] = field(kw_only=True)
    _windows_of_day: list[tuple[int, dict[Key, int]]] = field(default_factory=list)
    """Start of each window of the day that is gathered, and what was made in it."""
    _days: dict[Key, list[Day]] = field(default_factory=dict)
    _active: dict[Key, Transition] = field(default_factory=dict)

    def judge(self, window: int, made: dict[Key, int], tick: int) -> None:
        """Take the next window."""
        self._turn(window, tick)
        start_ms = Grid.of(self.registry.policy).start_ms(window)
        if self._windows_of_day and self._day(self._windows_of_day[-1][0]) != self._day(start_ms):
            self._close(tick)
            self._windows_of_day.clear()
        self._windows_of_day.append((start_ms, made))

    def _day(self, at_ms: int) -> date:
        return Calendar(self.registry.policy).local(_EPOCH + timedelta(milliseconds=at_ms)).date()

    def _watts(self, key: Key, at_ms: int) -> int:
        versions = sorted((f for f in self.registry.channels[key] if f.kwp is not None), key=lambda f: f.valid_from_ms)
        valid: list[Facts] = [f for f in versions if f.valid_from_ms <= at_ms < f.valid_to_ms]
        kwp = (valid or versions)[0].kwp
        assert kwp is not None
        return max(1, round(kwp * 1000))

    def _close(self, tick: int) -> None:
        lit = [made for _, made in self._windows_of_day if any(value > 0 for value in made.values())]
        begin = Calendar(self.registry.policy).day(_EPOCH + timedelta(milliseconds=self._windows_of_day[0][0]))[0]
        begin_ms = (begin - _EPOCH) // timedelta(milliseconds=1)
        yields = {
            key: sum(made[key] * 1000 // self._watts(key, at) for at, made in self._windows_of_day if key in made)
            for key in self.plants
            if lit and sum(key in made for made in lit) >= Fraction(3, 4) * len(lit)
        }
        for key in self.plants:
            others = sorted(value for other, value in yields.items() if other != key)
            if key not in yields or len(others) < 2 or (usual := others[(len(others) - 1) // 2]) < 1_000_000:
                continue
            missing = (usual - yields[key]) * self._watts(key, begin_ms) // 1000
            self._tell(key, Day(begin_ms, yields[key], usual, missing), tick)

    def _tell(self, key: Key, day: Day, tick: int) -> None:
        days = self._days.setdefault(key, [])
        days.append(day)
        if key in self._active:
            if not day.is_below(4):
                self.transitions.append(resolved(self._active.pop(key), day.begin_ms, tick))
            return
        for fifths, least in ((3, 3), (4, 7)):
            run = list[Day]()
            for one in reversed(days):
                if not one.is_below(fifths):
                    break
                run.insert(0, one)
            if len(run) >= least:
                self._raise(key, run, tick)
                return

    def _raise(self, key: Key, run: list[Day], tick: int) -> None:
        (meter, register), since, last = key, run[0].begin_ms, run[-1]
        missing, where = sum(day.missing for day in run), place_of(self.registry, meter, run[0].begin_ms)
        evidence = {"days": len(run), "missing_micro": missing, "register": register, "share": last.yielded / last.usual}
        self._active[key] = raised(
            {"zone": self.registry.policy.zone, "rule": "pv_low", "meter": meter, "register": register},
            since, tick, evidence | of_energy(self.registry, missing, where["company"], since), last.yielded / 1_000_000,
            expected_low=4 * last.usual / 5_000_000, **where,
        )  # fmt: skip
        self.transitions.append(self._active[key])
