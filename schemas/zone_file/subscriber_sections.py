"""`subscribers:` of zone.yaml, each read into a Subscriber; mistakes come with line and remedy."""

from collections.abc import Iterable
from typing import Final, Literal

from zonepulse.schemas.registry.subscribers import (
    DEFAULT_RATE,
    NOBODY,
    BadSubscriber,
    Subscriber,
    checked,
    clock_minute,
    problem_of_target,
    to_plain,
)
from zonepulse.schemas.zone_file.positions import Fields, Place, Reader
from zonepulse.schemas.zone_file.values import COUNT, DURATION, FLOAT, IDENTIFIER, TEXT, TIMEZONE, TRUTH, one_of, optional

_KEYS: Final = (
    "id", "to", "company", "only", "severity", "language", "timezone", "quiet", "digest", "digest_at", "rate_per_hour", "escalate",
    "send_resolved",
)  # fmt: skip
_SEVERITY: Final[Reader[Literal["info", "warning", "critical"]]] = one_of("info", "warning", "critical")
_LANGUAGE: Final[Reader[Literal["en", "de", "zh"]]] = one_of("en", "de", "zh")
_DIGEST: Final[Reader[Literal["", "hourly", "daily"]]] = one_of("hourly", "daily")


def read_subscriber(place: Place) -> Subscriber:
    """One subscriber; a harmless one after reporting what could not be read."""
    before = len(place.report.problems)
    f = Fields(place, _KEYS)
    only, escalate = f.place_of("only"), f.place_of("escalate")
    filters = Fields(only, ("companies", "sites", "rules", "impact_kg")) if only else None
    chain = Fields(escalate, ("to", "after")) if escalate else None
    quiet = f.read("quiet", _QUIET, (0, 0))
    subscriber = Subscriber(
        id=f.need("id", IDENTIFIER),
        to=f.need("to", _TARGETS),
        company=f.read("company", IDENTIFIER, ""),
        companies=_names(filters, "companies"),
        sites=_names(filters, "sites"),
        rules=_names(filters, "rules", TEXT),
        severity=f.read("severity", _SEVERITY, "info"),
        impact_kg=filters.read("impact_kg", optional(FLOAT), None) if filters else None,
        language=f.read("language", _LANGUAGE, "en"),
        timezone=f.read("timezone", TIMEZONE, ""),
        quiet_from_min=quiet[0],
        quiet_to_min=quiet[1],
        digest=f.read("digest", _DIGEST, ""),
        digest_at_min=f.read("digest_at", _MINUTE, 480),
        rate_per_hour=f.read("rate_per_hour", COUNT, DEFAULT_RATE),
        send_resolved=f.read("send_resolved", TRUTH, True),
        escalate_to=chain.need("to", IDENTIFIER) if chain else "",
        escalate_after_ms=chain.read("after", DURATION, 900_000) if chain else 900_000,
    )
    if len(place.report.problems) > before:
        return NOBODY
    try:
        return checked(subscriber)
    except BadSubscriber as bad:
        what, _, remedy = str(bad).partition(": ")[2].partition(": ")
        place.fail(what, remedy or "mend it")
        return NOBODY


def plain_subscribers(places: Iterable[Place]) -> list[dict[str, object]]:
    """Every subscriber as the registry carries it."""
    return [to_plain(read_subscriber(place)) for place in places]


def _names(fields: Fields | None, key: str, reader: Reader[str] = IDENTIFIER) -> tuple[str, ...]:
    return tuple(reader.read(place) for place in fields.items(key)) if fields else ()


def _targets(place: Place) -> tuple[str, ...]:
    found = []
    for item in place.items():
        target = TEXT.read(item)
        if problem := problem_of_target(target):
            what, _, remedy = problem.partition(": ")
            item.fail(what, remedy)
        found.append(target)
    if not found and not place.has_failed:
        place.fail("nobody can be reached", "write where messages go, such as [mailto:name@company.example]")
    return tuple(found)


def _minute(place: Place) -> int:
    minute = clock_minute(place.text)
    if minute is None:
        place.fail(f"{place.shown} is no time of day", 'write one in quotes, such as "22:00"')
        return 0
    return minute


def _quiet(place: Place) -> tuple[int, int]:
    minutes = [_minute(item) for item in place.items()]
    if len(minutes) != 2 or minutes[0] == minutes[1]:
        place.fail("needs two different times", 'write from and to, such as ["22:00", "07:00"]')
        return 0, 0
    return minutes[0], minutes[1]


_TARGETS: Final[Reader[tuple[str, ...]]] = Reader(_targets, (), "[mailto:name@company.example]")
_MINUTE: Final = Reader(_minute, 0, '"08:00"')
_QUIET: Final[Reader[tuple[int, int]]] = Reader(_quiet, (0, 0), '["22:00", "07:00"]')
