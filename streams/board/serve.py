"""Runs a board until it is told to end."""

import asyncio
import logging
import signal
from collections.abc import Callable

from kafka.errors import KafkaError

from zonepulse.schemas.messages.topics import REGISTRY
from zonepulse.schemas.registry.model import Registry
from zonepulse.streams import servers
from zonepulse.streams.board.server import Board
from zonepulse.streams.board.settings import BoardSettings
from zonepulse.streams.board.store import Store
from zonepulse.streams.board.subscribing import Register
from zonepulse.streams.control.registry_topic import load_versions
from zonepulse.streams.settings import Settings

log = logging.getLogger(__name__)


def board_of(settings: Settings, own: BoardSettings, register: Register | None = None) -> Board:
    """A board of the servers that the settings name; `register` as Board has it."""
    return Board(lambda: newest_registry(settings), Store(lambda: servers.store_client(settings)), own, register)


def newest_registry(settings: Settings) -> Registry | None:
    """The registry's newest version; None without one, or while the broker is away, which is logged."""
    try:
        versions = load_versions(settings.broker, REGISTRY.full_name(settings.topic_prefix))
    except KafkaError as error:
        log.warning("the registry cannot be read from %s: %s", settings.broker, error)
        return None
    return versions[max(versions)] if versions else None


def run(board: Board, told: Callable[[str], None]) -> None:
    """Serves until SIGINT or SIGTERM; `told` gets the address once it listens. Raises Stop where it cannot listen."""
    asyncio.run(_run(board, told))


async def _run(board: Board, told: Callable[[str], None]) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await board.start()
    told(board.address)
    try:
        await ended.wait()
    finally:
        await board.stop()
