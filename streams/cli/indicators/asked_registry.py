"""The registry that commands about indicators compute with."""

from pathlib import Path

from zonepulse.schemas.registry.model import Registry
from zonepulse.streams import servers
from zonepulse.streams.cli.registry.factors import newest_version
from zonepulse.streams.cli.shared.zone_files import read_zone
from zonepulse.streams.control.input_topic import published_inputs, with_inputs


def asked_registry(zone: Path | None) -> Registry:
    """A file's as it is; without one the newest published version with the inputs that were given beside it. Raises Stop."""
    if zone is not None:
        return read_zone(zone)
    settings = servers.settings()
    return with_inputs(newest_version(), published_inputs(settings.broker, settings.topic_prefix))
