"""zone.yaml as commands read it."""

import os
from pathlib import Path

from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.zone_file.bounds import MAX_BYTES
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.screen import BadInput


def read_zone(path: Path, known_ids: frozenset[str] = frozenset()) -> Registry:
    """The registry of a file; `known_ids` exist already.

    Raises BadInput (it cannot be read), RegistryError (every mistake as file:line).
    """
    return parse_zone(read_text(path, "name the zone's registry file"), file=str(path), known_ids=known_ids)


def read_text(path: Path, remedy: str = "name a file that is there") -> str:
    """A file's text. Raises BadInput: it cannot be read, is no UTF-8, or longer than a zone.yaml may be."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise BadInput(
                f"{path}: it is longer than {MAX_BYTES:,} bytes; leave out what is no registry, or make it several zones"
            )
        return raw.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        raise BadInput(f"{path}: {(error.strerror or str(error)).lower()}; {remedy}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: byte {error.start} is no UTF-8; save the file as UTF-8") from error


def require_files(paths: list[Path]) -> None:
    """Raises BadInput for the first that is no readable file."""
    for path in paths:
        if not path.is_file():
            raise BadInput(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}; name files of readings")
        if not os.access(path, os.R_OK):
            raise BadInput(f"{path}: may not be read by this user; mend its permissions")
