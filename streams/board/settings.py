"""What an installation chooses of its board, read once from `ZONEPULSE_BOARD_*`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from zonepulse.streams.settings import BadSetting

PORT: Final = 8686
_LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class BoardSettings:
    """Each field is `ZONEPULSE_BOARD_<FIELD>` in the environment; durations in seconds."""

    host: str = _LOOPBACK
    """Loopback unless told otherwise: the board asks nobody who they are."""
    port: int = PORT
    """0 = any free one."""
    refresh_s: float = 5.0
    """How old an answer may be before the store is asked again, once for all open pages."""
    streams: int = 500
    """Event streams at once; one more is told to come back later."""
    subscribe: bool = False
    """Whether there is a form to ask for alerts; each address is asked by mail before anything is sent."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "BoardSettings":
        """Settings of an environment; what is absent keeps its default. Raises BadSetting."""
        default = cls()
        return cls(
            host=environ.get("ZONEPULSE_BOARD_HOST", default.host),
            port=int(_number(environ, "PORT", default.port, "a port number, 0 = any free one", 0, 65_535)),
            refresh_s=_number(environ, "REFRESH_S", default.refresh_s, "seconds from 0.1 to 3600", 0.1, 3600),
            subscribe=_switch(environ, "SUBSCRIBE", default.subscribe),
            streams=int(_number(environ, "STREAMS", default.streams, "a whole number from 1 to 100000", 1, 100_000)),
        )


def _switch(environ: Mapping[str, str], name: str, default: bool) -> bool:
    text = environ.get(f"ZONEPULSE_BOARD_{name}", "on" if default else "off")
    if text not in ("on", "off"):
        raise BadSetting(f"ZONEPULSE_BOARD_{name} is {text[:100]!r}, expected on or off")
    return text == "on"


def _number(environ: Mapping[str, str], name: str, default: float, expected: str, low: float, high: float) -> float:
    text = environ.get(f"ZONEPULSE_BOARD_{name}")
    if text is None:
        return default
    try:
        number = float(text)
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        raise BadSetting(f"ZONEPULSE_BOARD_{name} is {text!r}, expected {expected}")
    return number
