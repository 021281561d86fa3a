"""`zonepulse board`: the zone in a browser."""

import os
from dataclasses import replace
from typing import Annotated

import typer

from zonepulse.streams import servers
from zonepulse.streams.board.serve import board_of, run
from zonepulse.streams.board.settings import BoardSettings
from zonepulse.streams.notify.subscriber_log import ask_first
from zonepulse.streams.screen import say


def board(
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0: any free one.", min=0, max=65_535)] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. The board asks nobody who they are: keep it on loopback.")
    ] = None,
) -> None:
    """Serve the zone's pages on this machine until Ctrl-C; they only read. Give it the store's read-only user.

    ZONEPULSE_BOARD_HOST, _PORT, _REFRESH_S, _STREAMS and _SUBSCRIBE (on: a form to ask for alerts; the address is asked first) are its
    settings.
    """
    own = BoardSettings.from_env(os.environ)
    own = replace(own, port=own.port if port is None else port, host=host or own.host)
    settings = servers.settings()
    register = (lambda form: ask_first(settings.broker, settings.topic_prefix, form)) if own.subscribe else None
    run(board_of(settings, own, register), lambda address: say(f"the board is at {address} (Ctrl-C ends it)"))
