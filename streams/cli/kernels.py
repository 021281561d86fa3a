"""What a command says before its first start compiles the kernels: otherwise half a minute passes without a word."""

import os
from collections.abc import Mapping
from pathlib import Path

from zonepulse.streams.cli.output import say
from zonepulse.streams.kernel_cache import VARIABLE

COMPILING = "compiling the kernels: about half a minute, at the first start only"


def are_compiled(environ: Mapping[str, str]) -> bool:
    """Whether the cache holds kernels of these sources. Those of another machine's processor are compiled again."""
    folder = environ.get(VARIABLE)
    return folder is not None and next(Path(folder).rglob("*.nbc"), None) is not None


def tell_if_compiling() -> None:
    """A line on stderr, at once, where kernels are to be compiled."""
    if not are_compiled(os.environ):
        say(COMPILING, err=True)
