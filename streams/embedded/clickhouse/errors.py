"""ClickHouse errors as its HTTP interface shows them."""

import re
from typing import Final

UNKNOWN_FORMAT: Final = 73
UNKNOWN_FUNCTION: Final = 46
BAD_ARGUMENTS: Final = 36
NOT_IMPLEMENTED: Final = 48
SYNTAX_ERROR: Final = 62
UNKNOWN_SETTING: Final = 115
READONLY: Final = 164
TOO_MANY_SIMULTANEOUS_QUERIES: Final = 202
TIMEOUT_EXCEEDED: Final = 159
CANNOT_DECOMPRESS: Final = 271
REQUEST_TOO_LARGE: Final = 307  # TOO_MANY_BYTES
AUTHENTICATION_FAILED: Final = 516
UNKNOWN_EXCEPTION: Final = 1002

# Source: ClickHouse src/Server/HTTP/exceptionCodeToHTTPStatus.cpp; what is not listed is 500.
_STATUS: Final = {
    **dict.fromkeys((6, 16, 25, 26, 27, 36, 38, 41, 44, 53, 62, 72, 117, 158, 167, 168, 427, 441, 675, 676), 400),
    **dict.fromkeys((192, 193, 497, 512, 516), 403),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 511), 404),
    TIMEOUT_EXCEEDED: 408,
    48: 501,
    REQUEST_TOO_LARGE: 413,
    TOO_MANY_SIMULTANEOUS_QUERIES: 503,
}
_TOLD: Final = re.compile(r"Code: (\d+)\. .*", re.DOTALL)
_VERSION: Final = re.compile(r"\(version [^()]*+\)\.?+\s*+")


class ClickHouseError(Exception):
    """An error with ClickHouse's code; the message is `Code: N. DB::Exception: ...`."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {text}")
        self.code = code

    @property
    def status(self) -> int:
        """The HTTP status ClickHouse answers it with."""
        return _STATUS.get(self.code, 500)

    @classmethod
    def from_engine(cls, error: Exception) -> "ClickHouseError":
        """What the engine raised, with its innermost code."""
        told = _TOLD.search(str(error))
        if told is None:
            return cls(UNKNOWN_EXCEPTION, str(error))
        code = int(told[1])
        text = told[0]
        while nested := re.match(r"Code: (\d+)\. DB::Exception: (?=Code: )", text):
            text = text[nested.end() :]
        text = _VERSION.sub("", re.sub(r"\ACode: \d+\. (DB::Exception: )?", "", text)).strip()
        return cls(code, re.sub(r"(\(\w+\))(?:\s*\1)+", r"\1", text))
