"""A zone's own templates: read from a folder, checked before they are used."""

import traceback
from pathlib import Path
from typing import Final

from jinja2 import TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from zonepulse.schemas.languages import LANGUAGES
from zonepulse.schemas.registry.subscribers import Subscriber
from zonepulse.streams.notify.messages import pages
from zonepulse.streams.notify.messages.pages import TEMPLATES, Reader, compose, environment
from zonepulse.streams.notify.routing.facts import Directory, Row
from zonepulse.streams.notify.routing.state import Parcel
from zonepulse.streams.notify.settings import NotifySettings
from zonepulse.streams.settings import BadSetting

MOST_BYTES: Final = 200_000
SHIPPED: Final = Path(pages.__file__).with_name("templates")
_MARKUP: Final = "<script>alert(1)</script>"


def own_templates(settings: NotifySettings) -> ImmutableSandboxedEnvironment | None:
    """The installation's own, None where it has none. Raises BadSetting for what is wrong with them."""
    if settings.templates is None:
        return None
    return checked(settings.templates)


def checked(folder: Path) -> ImmutableSandboxedEnvironment:
    """Templates that make a message of every kind in every language, and let no name become markup. Raises BadSetting."""
    texts = {}
    for name in TEMPLATES:
        try:
            texts[name] = (folder / name).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise BadSetting(f"{folder / name} cannot be read: {why}; begin with a copy of {SHIPPED / name}") from error
        if len(texts[name]) > MOST_BYTES:
            raise BadSetting(f"{folder / name} is larger than {MOST_BYTES} bytes")
    jinja = environment(texts)
    for language in LANGUAGES:
        reader = Reader(Subscriber("check", ("channel:check",), language=language), Directory("z", {"en": "Z"}))
        for state, value in (("raised", 1.5), ("resolved", None)):
            row = Row("z", "0" * 16, 0, "silent_channel", "critical", state, 1, meter=_MARKUP, value=value, ends_at=1)
            parcel = Parcel("k", "check", "", "alert", 0, [(row.identity, state)], [(state, row)])
            try:
                message = compose(parcel, reader, 1_000, templates=jinja)
            except TemplateSyntaxError as error:
                raise BadSetting(f"{folder / (error.name or '')}:{error.lineno}: {error.message}") from error
            except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
                raise BadSetting(f"{_place(folder, error)}: a message in {language} cannot be made: {error}") from error
            if _MARKUP in message.html:
                raise BadSetting(f"{folder / TEMPLATES[0]}: a meter's name became markup; leave out `safe` and `autoescape false`")
    return jinja


def _place(folder: Path, error: Exception) -> str:
    """File and line of the template in which it went wrong, else the folder."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in TEMPLATES]
    return f"{folder / frames[-1].filename}:{frames[-1].lineno}" if frames else str(folder)
