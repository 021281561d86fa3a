"""`zonepulse registry holidays`: a country's holidays as data for `calendars` of zone.yaml."""

from datetime import UTC, date, datetime
from importlib.metadata import version
from typing import Annotated, Final

import typer

from zonepulse.streams.screen import BadInput, JsonOption, print_json, say, show_remark

MOST_YEARS: Final = 20


def holidays(
    country: Annotated[str, typer.Argument(help="ISO 3166 code, such as CN or DE.")],
    years: Annotated[str, typer.Option(help="A year, or the first and the last: 2026-2028. Default: this year and the next.")] = "",
    subdivision: Annotated[str, typer.Option(help="Of the country, such as BY.")] = "",
    name: Annotated[str, typer.Option("--id", help="Of the calendar.")] = "holidays",
    json: JsonOption = False,
) -> None:
    """Print a calendar for zone.yaml with the holidays of a country, and the weekends that are worked for them.

    They are data of the registry version from then on: what a library says later changes no replay. Years whose holidays are not announced
    yet are estimates; see to them again.
    """
    import holidays as library  # of several MB: only this command needs it

    wanted = _years(years)
    try:
        found = library.country_holidays(country.upper(), subdiv=subdivision or None, years=wanted)
    except (NotImplementedError, KeyError) as error:
        raise BadInput(f"{country} {subdivision}".strip() + f": {error}") from None
    days = sorted(day for day in found if day.year in wanted)
    workdays = sorted(day for day in getattr(found, "weekend_workdays", ()) if day.year in wanted and day not in found)
    if not days:
        raise BadInput(f"no holidays of {country} are known from {wanted[0]} to {wanted[-1]}")
    if json:
        print_json({"id": name, "holidays": days, "workdays": workdays, "source": _source()})
        return
    say("calendars:")
    say(f"  - id: {name}")
    for key, listed in (("holidays", days), ("workdays", workdays)):
        if listed:
            say(f"    {key}:")
        for day in listed:
            say(f"      - {day}" + (f"  # {found[day]}" if day in found else ""))
    show_remark(f"{_source()}; put it in zone.yaml and name it in zone.calendar, or in a rule's calendar")


def _source() -> str:
    return f"holidays {version('holidays')}"


def _years(text: str) -> list[int]:
    """Raises BadInput."""
    now = datetime.now(UTC).year
    first, _, last = (text or f"{now}-{now + 1}").partition("-")
    try:
        found = list(range(date(int(first), 1, 1).year, date(int(last or first), 1, 1).year + 1))
    except ValueError:
        raise BadInput(f"--years {text!r}: write a year, such as 2026, or two, such as 2026-2028") from None
    if not 0 < len(found) <= MOST_YEARS:
        raise BadInput(f"--years {text!r}: from one to {MOST_YEARS} years, the earlier first")
    return found
