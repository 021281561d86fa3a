"""zone.yaml as commands read it."""

import os
from pathlib import Path

from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.screen import BadInput


def read_zone(path: Path, known_ids: frozenset[str] = frozenset()) -> Registry:
    """The registry of a file; `known_ids` exist already.

    Raises BadInput (it cannot be read), RegistryError (every mistake as file:line).
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise BadInput(f"{path}: {(error.strerror or str(error)).lower()}; name the zone's registry file") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: byte {error.start} is no UTF-8; save the file as UTF-8") from error
    return parse_zone(text, file=str(path), known_ids=known_ids)


def require_files(paths: list[Path]) -> None:
    """Raises BadInput for the first that is no readable file."""
    for path in paths:
        if not path.is_file():
            raise BadInput(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}; name files of readings")
        if not os.access(path, os.R_OK):
            raise BadInput(f"{path}: may not be read by this user; mend its permissions")
