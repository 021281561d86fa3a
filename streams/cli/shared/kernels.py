"""What a command says before its first start compiles the kernels: otherwise half a minute passes without a word."""

import os

from zonepulse.streams.kernels.cache import are_compiled
from zonepulse.streams.screen import say

COMPILING = "compiling the kernels: about half a minute, at the first start only"


def tell_if_compiling() -> None:
    """A line on stderr, at once, where kernels are to be compiled."""
    if not are_compiled(os.environ):
        say(COMPILING, err=True)
