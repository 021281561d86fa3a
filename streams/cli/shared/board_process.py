"""A board beside an embedded stack."""

import sys

from zonepulse.streams.board.settings import PORT
from zonepulse.streams.embedded.processes.process import free_port, is_listening
from zonepulse.streams.embedded.zone_stack import ZoneStack


def start_board(stack: ZoneStack, port: int = PORT) -> str:
    """Starts it as the store's reader and keeps it running; its address. Where something listens on `port`, it takes a free one."""
    reader, chosen = stack.dashboard, free_port() if is_listening(port) else port
    env = (
        stack.worker_environment
        | stack.access_to_kafka("board")
        | {
            "ZONEPULSE_CLICKHOUSE_USER": reader.user,
            "ZONEPULSE_CLICKHOUSE_PASSWORD": reader.password,
            "ZONEPULSE_BOARD_PORT": str(chosen),
        }
    )
    stack.supervise("board", [sys.executable, "-m", "zonepulse.streams.cli.main", "board"], stack.restart, env)
    return f"http://127.0.0.1:{chosen}/"
