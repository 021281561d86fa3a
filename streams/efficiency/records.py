"""Records of what was published about companies: a later report must not tell, beside them, what none of them tells alone.

Records hold names: they are the moderator's, and readable by their owner only.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from zonepulse.streams.screen import BadInput

_Form = TypeVar("_Form", bound=msgspec.Struct)


def keep(folder: Path, kind: str, report: str, record: Mapping[str, Any]) -> Path:
    """Writes a report's record. Raises BadInput: the folder cannot be written to."""
    path = folder / f"{kind}-{report}.json"
    whole = {"report": report, "made_at": datetime.now(UTC).isoformat(timespec="seconds"), **record}
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(json.dumps(whole, ensure_ascii=False, indent=1), encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path}: {(error.strerror or str(error)).lower()}; name a folder for records with --records") from error
    return path


def kept(folder: Path, kind: str, form: type[_Form]) -> Iterator[_Form]:
    """Every record of a kind, in its form. Raises BadInput: one cannot be read, or is none."""
    for path in _files(folder, kind):
        try:
            yield msgspec.json.decode(path.read_bytes(), type=form)
        except (OSError, UnicodeDecodeError, RecursionError, msgspec.MsgspecError) as error:
            remedy = "bring it back from a copy: without it a report may disclose somebody"
            raise BadInput(f"{path}: no record of a {kind} ({error}); {remedy}") from error


def _files(folder: Path, kind: str) -> list[Path]:
    """None where the folder is not there yet. Raises BadInput: it cannot be looked through."""
    try:
        return sorted(path for path in folder.iterdir() if path.match(f"{kind}-*.json"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BadInput(f"{folder}: {(error.strerror or str(error)).lower()}; name a folder for records with --records") from error
