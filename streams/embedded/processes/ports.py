"""An installation's ports: free ones at its first start, the same at every later one, so that what was told to others stays true."""

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from zonepulse.streams.embedded.processes.private_files import write_private
from zonepulse.streams.embedded.processes.process import free_port, is_listening

FILE: Final = "ports.json"
log = logging.getLogger(__name__)


def chosen_ports(folder: Path, names: Sequence[str]) -> dict[str, int]:
    """A port of 127.0.0.1 for each name: the remembered one, and a free one where none is known or somebody else listens on it."""
    known = dict[str, int]()
    with suppress(FileNotFoundError, ValueError):
        told = json.loads((folder / FILE).read_text())
        known = {name: port for name, port in told.items() if isinstance(port, int)} if isinstance(told, dict) else {}
    return {name: known[name] if name in known and not is_listening(known[name]) else free_port() for name in names}


def remember_ports(folder: Path, ports: Mapping[str, int]) -> None:
    """For the next start; says where a port is another one than before. Call it when the servers run: they hold the folder's lock."""
    file, text = folder / FILE, json.dumps(dict(ports))
    before = file.read_text() if file.exists() else text
    if before != text:
        log.warning("a port of before is in use; from now on: %s", text)
    write_private(file, text.encode())
