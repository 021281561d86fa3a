"""Whether this machine can put a report on paper: the libraries of Debian that weasyprint loads, and a font with Chinese characters."""

from typing import Final

from zonepulse.streams.notify.messages.picture import fonts_with

PACKAGES: Final = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
FONT_PACKAGE: Final = "fonts-wqy-zenhei"
_SAMPLE: Final = "能源与排放报告"
"""Sources of factors are Chinese in every report."""


def what_is_missing() -> tuple[str, str] | None:
    """What is missing, and the remedy; None: nothing."""
    try:
        import weasyprint  # noqa: F401
    except OSError as error:
        return f"weasyprint cannot load a library ({str(error).splitlines()[0][:120]})", f"apt-get install {PACKAGES}"
    if not fonts_with(_SAMPLE):
        return "no font with Chinese characters: a PDF would show boxes", f"apt-get install {FONT_PACKAGE}"
    return None
