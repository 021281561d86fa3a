"""Registers of meters beside one another: parts and their whole, active and reactive energy."""

from dataclasses import dataclass, field
from math import hypot

from zonepulse.oracle.alerts import Transition, Turns, place_of, raised, resolved
from zonepulse.oracle.grid import Grid
from zonepulse.oracle.impact import of_energy


@dataclass
class FamilyWatch(Turns):
    """`sub_above_main` of one meter that others name as their main meter."""

    meter: str = field(kw_only=True)
    _excess: int = 0
    _run: list[tuple[int, int, int]] = field(default_factory=list)
    """Windows in a row with an excess, and what main and subs counted in each."""
    _active: Transition | None = None

    def judge(self, window: int, counted: tuple[int, int] | None, tick: int) -> None:
        """Judge the next window; `counted` by main and subs is None where it is not known, or the window is not fully covered."""
        self._turn(window, tick)
        if counted is None:
            return
        main, sub = counted
        more = 50 * (sub - main) - abs(main) - abs(sub)
        self._excess = max(0, self._excess + (more if self._active is None else -more))
        if self._excess == 0:
            self._run.clear()
            return
        self._run.append((window, main, sub))
        grid = Grid.of(self.registry.policy)
        if len(self._run) < grid.windows_in(24 * 3_600_000):
            return
        since = grid.start_ms(self._run[0][0])
        if self._active is None:
            mains, subs = (sum(counts) for counts in list(zip(*self._run, strict=True))[1:])
            labels = {"zone": self.registry.policy.zone, "rule": "sub_above_main", "meter": self.meter}
            evidence = {"main_micro": mains, "sub_micro": subs, "windows": len(self._run)}
            where = place_of(self.registry, self.meter, since)
            evidence |= of_energy(self.registry, subs - mains, where["company"], since)
            self._active = raised(labels, since, tick, evidence, (subs - mains) / 1_000_000, **where)
            self.transitions.append(self._active)
        else:
            self.transitions.append(resolved(self._active, since, tick))
            self._active = None
        self._run.clear()
        self._excess = 0


@dataclass
class FactorOfPower(Turns):
    """`power_factor` of one meter."""

    meter: str = field(kw_only=True)
    most: int = field(kw_only=True)
    """Micro-kWh that max_power lets through in a window."""
    _run: list[tuple[int, int, int]] = field(default_factory=list)
    """Windows in a row that speak for a change, with active and reactive energy."""
    _active: Transition | None = None

    def judge(self, window: int, counted: tuple[int, int] | None, tick: int) -> None:
        """Judge the next window; active and reactive energy, None where they are not known."""
        self._turn(window, tick)
        if counted is None or 20 * counted[0] < self.most:
            return
        active, reactive = counted
        is_low = 100 * active**2 < 81 * (active**2 + reactive**2)
        if is_low == (self._active is not None):
            self._run = []
            return
        self._run.append((window, active, reactive))
        if len(self._run) < 4:
            return
        since = Grid.of(self.registry.policy).start_ms(self._run[0][0])
        if self._active is None:
            p, q = (sum(counts) for counts in list(zip(*self._run, strict=True))[1:])
            labels = {"zone": self.registry.policy.zone, "rule": "power_factor", "meter": self.meter}
            self._active = raised(
                labels, since, tick, {"active_micro": p, "reactive_micro": q, "windows": 4}, p / hypot(p, q), expected_low=0.9,
                **place_of(self.registry, self.meter, since),
            )  # fmt: skip
            self.transitions.append(self._active)
        else:
            self.transitions.append(resolved(self._active, since, tick))
            self._active = None
        self._run = []
