"""Meters for tests of baselines and savings: one made of known parts, and a real one."""

import csv
import gzip
import json
import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from zonepulse.processors.efficiency.history import Day, History, days_between

REAL = Path(__file__).parent / "data" / "real" / "efficiency" / "illinois-daily.csv.gz"
JUDGED = json.loads(REAL.with_name("illinois-models.json").read_text("utf-8"))
"""What other programs make of the real meter, with their versions."""
OTHERS = json.loads(REAL.with_name("opendsm-models.json").read_text("utf-8"))
"""What OpenDSM's daily model makes of its other samples, with its version."""
FIRST = date(2025, 1, 1)


def real(name: str = "illinois") -> History:
    """Energy (kWh; of gas in Illinois therms) and temperature of a real meter, day by day; days without whole readings are not known."""
    with gzip.open(REAL.with_name(f"{name}-daily.csv.gz"), "rt", encoding="utf-8") as file:
        _, *lines = csv.reader(file)
    rows = {date.fromisoformat(day): (float(energy), float(temperature_c)) for day, energy, temperature_c in lines}
    days = days_between(min(rows), max(rows) + timedelta(days=1))
    return History("kWh", (), tuple(Day(day, *rows.get(day, (None, None))) for day in days))


def made(energy: Callable[[date, float, float], float], days: int = 365, *, products: bool = True, seed: int = 1) -> History:
    """A company whose use follows from day, temperature and production."""
    chance = random.Random(seed)
    out = []
    for i in range(days):
        day = FIRST + timedelta(days=i)
        temperature_c = 16 - 14 * np.cos(2 * np.pi * (i - 20) / 365) + chance.gauss(0, 3)
        pieces = 0.0 if day.weekday() == 6 else float(chance.randint(500, 1500))
        value = energy(day, temperature_c, pieces)
        out.append(Day(day, value, temperature_c, (pieces,) if products else ()))
    return History("kWh", ("product:gears",) if products else (), tuple(out))


def mill(day: date, temperature_c: float, pieces: float) -> float:
    noise = random.Random(day.toordinal()).gauss(0, 100)
    return 3000 + 2 * pieces + 40 * max(0.0, 15 - temperature_c) + 60 * max(0.0, temperature_c - 20) + noise
