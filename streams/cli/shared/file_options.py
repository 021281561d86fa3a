"""The options that say how a file of readings is written, the same for every command that reads one."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, Final, TypeVar

import typer

from zonepulse.streams.files.form import file_form

T = TypeVar("T")
_PANEL: Final = "How the file is written"


def _option(help: str, *names: str, metavar: str | None = None) -> Any:
    return Annotated[str | None, typer.Option(*names, help=help, metavar=metavar, rich_help_panel=_PANEL)]


OPTIONS: Final[dict[str, Any]] = {
    "columns": _option("The file's names of a reading's keys.", metavar="meter=Zähler,ts=Zeit,value=Wert"),
    "meter": _option("Every row's meter, where the file has no such column."),
    "register": _option("Every row's register, such as 1.8.0."),
    "unit": _option("Every row's unit, such as kWh."),
    "decimal": _option("Decimal sign of the values.", metavar=".|,"),
    "delimiter": _option("Between cells; seen otherwise.", metavar=",|;|tab"),
    "encoding": _option("Such as cp1252, utf-16, gb18030; a byte order mark is seen."),
    "timezone": _option("Of times without offset, such as Europe/Berlin."),
    "fold": _option("Which of two equal local times in autumn is meant.", metavar="first|second|order"),
    "time_format": _option("strptime's, such as '%d/%m/%Y %H:%M'; or epoch_s, epoch_ms."),
    "midnight": _option("Which day 00:00 belongs to.", metavar="begins-day|ends-day"),
    "stamp": _option("Whether a row's time is its period's end or start.", metavar="end|start"),
    "period": _option("With --stamp start: how long a row's period is.", metavar="15m"),
    "wide": Annotated[bool, typer.Option("--wide", help="A column a meter.", rich_help_panel=_PANEL)],
    "sheet": _option("Of a workbook; the first otherwise."),
}


def with_file_form(command: Callable[..., T]) -> Callable[..., T]:
    """The command with OPTIONS besides its own; its parameter `form` gets the FileForm that they describe."""

    @wraps(command)
    def run(**given: Any) -> T:
        said = {name: given.pop(name) for name in OPTIONS}
        return command(**given, form=file_form(**said))

    own = [p for name, p in inspect.signature(command).parameters.items() if name != "form"]
    kind = inspect.Parameter.KEYWORD_ONLY
    more = [inspect.Parameter(name, kind, default=False if name == "wide" else None, annotation=of) for name, of in OPTIONS.items()]
    run.__signature__ = inspect.Signature([*(p.replace(kind=kind) for p in own), *more])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in (*own, *more)}
    return run
