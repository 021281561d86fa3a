"""Snapshots of a network's savings: files that never change, with all that their numbers are made of.

A snapshot holds the days, the models with their coefficients and the library's version, and the savings. Its digest stands in the section
`snapshots` of zone.yaml, whose versions are in the log: a file with another digest is not the snapshot that was taken.
"""

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from zonepulse.schemas.registry.efficiency.networks import EFFICIENCY, Efficiency, SavingsSnapshot
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.sections import whole_of
from zonepulse.schemas.values import canonical_json
from zonepulse.streams.efficiency.network import Asked, MemberSavings, days_document, network_document
from zonepulse.streams.screen import BadInput

FORMAT: Final = 1


def content(registry: Registry, network: str, period: str, found: Sequence[MemberSavings], asked: Asked) -> bytes:
    """A snapshot's bytes: canonical JSON."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "zonepulse": version("zonepulse"),
        "zone": registry.zone.id,
        "registry_version": registry.version,
        "registry_sha256": registry.sha256,
        "network": network,
        "period": period,
        "weather": asked.source,
        "savings": network_document(found, asked),
        "days": {
            f"{member.company}/{one.carrier}": days_document(one.history)
            for member in found
            for one in member.carriers
            if one.history is not None
        },
    }
    return canonical_json(document).encode() + b"\n"


def write(path: Path, made: bytes) -> str:
    """Writes a new file that cannot be written again; its digest. Raises BadInput: the file exists, or cannot be made."""
    try:
        with path.open("xb") as file:
            file.write(made)
        path.chmod(0o444)
    except FileExistsError as error:
        raise BadInput(f"{path} exists: a snapshot is never overwritten; name another file with --out") from error
    except OSError as error:
        raise BadInput(
            f"{path}: {(error.strerror or str(error)).lower()}; name a file in a folder that is there with --out"
        ) from error
    return hashlib.sha256(made).hexdigest()


def read(path: Path) -> bytes:
    """A file's bytes as they are: a digest is of nothing else. Raises BadInput: it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: {(error.strerror or str(error)).lower()}; name a file that is there with --check") from error


def declared(registry: Registry, made: bytes) -> SavingsSnapshot | None:
    """The registry's snapshot that a file's bytes are; None: none of them."""
    efficiency: Efficiency = whole_of(registry, EFFICIENCY)
    digest = hashlib.sha256(made).hexdigest()
    return next((one for one in efficiency.snapshots if one.sha256 == digest), None)
