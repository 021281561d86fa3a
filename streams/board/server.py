"""The board's server: pages, their style and script, the stream of events, health. It asks nobody who they are, and only reads, but for
the form of subscribing.py where the installation wants it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Final

from aiohttp import web

from zonepulse.schemas.registry.model import Registry
from zonepulse.streams.board.events import Beat, Events
from zonepulse.streams.board.pages import Pages
from zonepulse.streams.board.settings import BoardSettings
from zonepulse.streams.board.store import Store
from zonepulse.streams.board.subscribing import Register, Subscribing
from zonepulse.streams.health import runbooks
from zonepulse.streams.screen import Stop

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; worker-src 'self'; img-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",  # with none a browser says `Origin: null` of the form of subscribing.py, which is then nobody's
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_STATIC: Final = {
    "board.css": "text/css",
    "board.js": "text/javascript",
    "stream.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_ENDING_S: Final = 1.0
log = logging.getLogger(__name__)


class Board:
    """Serves until it is stopped. `load` reads the newest registry, None while there is none; `register` takes who asks for alerts, None:
    there is no form. All may block.
    """

    def __init__(
        self, load: Callable[[], Registry | None], store: Store, settings: BoardSettings, register: Register | None = None
    ) -> None:
        self._settings, self._store = settings, store
        self._pages = Pages(load, store, settings.refresh_s, Subscribing(register) if register is not None else None)
        self._beat = Beat(settings.refresh_s)
        self._is_ending = False
        self._runner: web.AppRunner | None = None
        self.port = settings.port
        """The one that it listens on, once started."""

    def app(self) -> web.Application:
        """Everything that is answered."""
        app = web.Application(middlewares=[_protect], client_max_size=4_096)
        app.add_routes(self._pages.routes())
        app.add_routes([web.get("/events", Events(self._beat, self._settings.streams, lambda: self._is_ending).handle)])
        app.add_routes([web.get("/runbook/{alert}", _runbook)])
        app.add_routes([web.get("/healthz", _healthy), web.get("/readyz", self._ready)])
        app.add_routes([web.get(f"/static/{name}", _static(name, kind)) for name, kind in _STATIC.items()])
        app.add_routes([web.get("/favicon.ico", _static("icon.svg", "image/svg+xml"))])
        app.add_routes([web.get("/{path:.*}", self._pages.nothing_here)])
        return app

    async def start(self) -> None:
        """Listens. Raises Stop where it cannot."""
        self._runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=_ENDING_S)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._settings.host, self._settings.port).start()
        except OSError as error:
            await self._runner.cleanup()
            where = f"{self._settings.host}:{self._settings.port}"
            raise Stop(
                f"the board cannot listen on {where}: {error.strerror}; choose another by --port or ZONEPULSE_BOARD_PORT"
            ) from error
        self.port = int(self._runner.addresses[0][1])

    @property
    def streams(self) -> int:
        """Event streams that are open."""
        return self._beat.listeners

    @property
    def address(self) -> str:
        """What a browser opens."""
        host = self._settings.host if self._settings.host not in ("0.0.0.0", "::") else "127.0.0.1"
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    async def stop(self) -> None:
        """Listens no more; open pages say so themselves."""
        self._is_ending = True
        await self._beat.stop()
        if self._runner is not None:
            await self._runner.cleanup()
        await asyncio.to_thread(self._store.close)

    async def _ready(self, _: web.Request) -> web.Response:
        missing = await self._pages.is_ready()
        return web.Response(text=(missing or "ready") + "\n", status=503 if missing else 200, headers={"Cache-Control": "no-store"})


async def _healthy(_: web.Request) -> web.Response:
    return web.Response(text="alive\n", headers={"Cache-Control": "no-store"})


async def _runbook(request: web.Request) -> web.Response:
    """What to do about an alert of the machine, as it is written."""
    try:
        return web.Response(text=runbooks.page(request.match_info["alert"]))
    except KeyError:
        raise web.HTTPNotFound(text=f"there are: {', '.join(runbooks.names())}\n") from None


def _static(name: str, kind: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    body = (files("zonepulse.streams.board") / "static" / name).read_bytes()

    async def handle(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=kind, charset="utf-8", headers={"Cache-Control": "max-age=300"})

    return handle


@web.middleware
async def _protect(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    try:
        response = await handler(request)
    except ConnectionError:  # gone
        raise
    except web.HTTPException as answer:
        answer.headers.update(HEADERS)
        raise
    except Exception:
        log.exception("%s cannot be shown", request.path)
        return web.Response(text="this page cannot be shown; the log of the board says why\n", status=500, headers=HEADERS)
    if not response.prepared:
        response.headers.update(HEADERS)
    return response
