"""A file of emission factors that were published for the past: `factors:` as zone.yaml has them, each with its day of publication."""

from collections.abc import Collection

from zonepulse.schemas.checks.zone import check_factor
from zonepulse.schemas.factors.knowledge import published_day
from zonepulse.schemas.problems import Report, nearest
from zonepulse.schemas.registry.model import Factor, Registry
from zonepulse.schemas.zone_file.factor_sections import read_factor
from zonepulse.schemas.zone_file.positions import Fields, compose
from zonepulse.schemas.zone_file.values import Clock

NO_DAY = "9999-12-31"


def parse_publication(
    text: str, registry: Registry, earlier: Collection[Factor], *, file: str = "factors.yaml"
) -> tuple[Factor, ...]:
    """The factors of the file, for the zone of `registry`; `earlier` are published already. Raises RegistryError with every mistake."""
    report = Report(file)
    fields, clock = Fields(compose(text, report), ("factors",)), Clock.of(registry.zone.timezone)
    found = [read_factor(place, clock) for place in fields.items("factors")]
    if not found and not report.problems:
        report.add("factors", "holds none", "write one `- {id: ..., activity: ..., published: DATE, ...}` a factor")
    companies = {company.id for company in registry.companies}
    taken = {factor.id: factor for factor in (*registry.factors, *earlier)}
    for i, factor in enumerate(found):
        path = f"factors[{i}]"
        check_factor(factor, path, registry.zone, report)
        if published_day(factor.published) == NO_DAY:
            report.add(path, f"`published` is {factor.published!r}, no date", "write the day it was published, such as 2026-06-30")
        if factor.company and factor.company not in companies:
            report.add(
                f"{path}.company", f"{factor.company!r} is not in the registry", nearest(factor.company, companies, "name one")
            )
        if taken.setdefault(factor.id, factor) != factor:
            report.add(
                f"{path}.id", f"{factor.id!r} is another factor's", "choose an id of its own: results name their factor by it"
            )
        if factor.valid_from_ms >= factor.valid_to_ms:
            report.add(path, "ends before it begins", "let valid_to lie behind valid_from")
    report.raise_if_any()
    return tuple(found)
