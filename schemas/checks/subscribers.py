"""What must hold between subscribers and the other entities of a registry; reports, and never raises."""

from collections.abc import Iterable

from zonepulse.schemas.problems import Report, nearest
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.subscribers import NOBODY, Subscriber


def check_subscribers(subscribers: Iterable[Subscriber], registry: Registry, report: Report) -> None:
    """Reports companies, sites and subscribers that are not there, and an id that stands twice."""
    found = list(subscribers)
    companies, sites, ids = {c.id for c in registry.companies}, {s.id for s in registry.sites}, {s.id for s in found}
    seen: set[str] = set()
    for i, one in enumerate(found):
        if one == NOBODY:
            continue
        path = f"subscribers[{i}]"
        if one.id in seen:
            report.add(f"{path}.id", f"{one.id!r} stands twice", "keep one, or give it another id")
        seen.add(one.id)
        for key, names, known in (
            ("company", [one.company] if one.company else [], companies), ("only.companies", one.companies, companies),
            ("only.sites", one.sites, sites), ("escalate.to", [one.escalate_to] if one.escalate_to else [], ids - {one.id}),
        ):  # fmt: skip
            for name in names:
                if name not in known:
                    report.add(f"{path}.{key}", f"unknown: {name!r}", nearest(name, known, "name one of the registry"))
