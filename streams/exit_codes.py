"""The exit codes of every command; README shows this table."""

from typing import Final

DONE: Final = 0
FAILED: Final = 1
BAD_INPUT: Final = 2
NONE_ACCEPTED: Final = 3
STALLED: Final = 4
"""However long such a worker lived, it was not healthy."""
ENDED: Final = 128
"""And the number of the signal."""

MEANINGS: Final = {
    str(DONE): "done",
    str(FAILED): "it failed: a server, a disk, or a check that found a difference; the last line says which",
    str(BAD_INPUT): "an option, a setting or a file cannot be used; the message names file, place, value and remedy",
    str(
        NONE_ACCEPTED
    ): "`replay file`, `produce`, `convert`: not one reading was accepted; the reasons are counted, with an example each",
    str(STALLED): "`worker`: a task stood still and ended itself with a diagnosis; whoever supervises starts it again",
    f"{ENDED} + n": "ended by signal n: 130 by Ctrl-C, 143 by SIGTERM; a worker that SIGTERM ends in order returns 0",
}
