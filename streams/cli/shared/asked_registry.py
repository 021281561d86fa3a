"""The registry that commands compute with, and what they ask of it."""

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from zonepulse.schemas.problems import nearest
from zonepulse.schemas.registry.model import Registry
from zonepulse.streams import servers
from zonepulse.streams.cli.registry.factors import newest_version
from zonepulse.streams.cli.shared.zone_files import read_zone
from zonepulse.streams.control.input_topic import published_inputs, with_inputs
from zonepulse.streams.screen import BadInput


def asked_registry(zone: Path | None) -> Registry:
    """A file's as it is; without one the newest published version with the inputs that were given beside it. Raises Stop."""
    if zone is not None:
        return read_zone(zone)
    settings = servers.settings()
    return with_inputs(newest_version(), published_inputs(settings.broker, settings.topic_prefix))


def require_company(registry: Registry, company: str) -> None:
    """Raises BadInput where the registry has no such company."""
    known = [one.id for one in registry.companies]
    if company not in known:
        raise BadInput(
            f"{company!r} is no company of zone {registry.zone.id}: {nearest(company, known, 'there are ' + ', '.join(known))}"
        )


def today_in(registry: Registry) -> date:
    """The day that the zone's clock shows."""
    return datetime.now(UTC).astimezone(ZoneInfo(registry.zone.timezone)).date()
