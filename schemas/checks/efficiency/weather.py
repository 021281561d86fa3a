"""What must hold of weather: steps that divide a day, and daily values that begin with one."""

from zoneinfo import ZoneInfo

from zonepulse.schemas.problems import Report
from zonepulse.schemas.registry.calendar import DAY_MS
from zonepulse.schemas.registry.efficiency.weather import WEATHER, Weather
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.sections import entities_of
from zonepulse.schemas.values import instant_text


def check_weather(registry: Registry, report: Report) -> None:
    """Report every mistake of the section `weather`."""
    stations: tuple[Weather, ...] = entities_of(registry, WEATHER)
    for i, one in enumerate(stations):
        _check_series(one, f"weather[{i}].temperature_c", ZoneInfo(registry.zone.timezone), report)


def _check_series(one: Weather, path: str, zone: ZoneInfo, report: Report) -> None:
    step_ms = one.temperature_c.step_ms
    if step_ms <= 0 or DAY_MS % step_ms:
        report.add(f"{path}.step", f"{step_ms} ms does not divide a day", "write 1d, 1h or another step that divides a day")
    elif step_ms == DAY_MS and not instant_text(one.temperature_c.first_ms, zone).partition("T")[2].startswith("00:00"):
        report.add(f"{path}.from", "does not begin at midnight, but has daily values", "begin it with a date, such as 2026-01-01")
