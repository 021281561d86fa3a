"""`YYYY-MM-DDTHH:MM:SS[.mmm[mmm]](Z|+HH:MM|-HH:MM)` -> epoch milliseconds, for kernels. Proleptic Gregorian calendar, years 1 to 9999."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.kernel import byte_at, kernel

_MONTH_DAYS: Final = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_DAYS_TO_1970: Final = 719_468
"""From 0000-03-01."""
_DASH, _DOT, _COLON, _PLUS, _T, _Z = 45, 46, 58, 43, 84, 90


@kernel
def digits(text: NDArray[np.uint8], i: int, count: int) -> int:
    """The number written as `count` digits at `i`, or -1."""
    number = np.int64(0)
    for k in range(i, i + count):
        digit = byte_at(text, k) - 48
        if digit < 0 or digit > 9:
            return -1
        number = number * 10 + digit
    return number


@kernel
def days_from_1970(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01. Source: H. Hinnant, chrono-compatible low-level date algorithms, 2021 (days_from_civil)."""
    if month <= 2:
        year -= 1
    era = year // 400
    year_of_era = year - era * 400
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - _DAYS_TO_1970


@kernel
def month_days(year: int, month: int) -> int:
    """Length of a month."""
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if month == 2 and is_leap else _MONTH_DAYS[month]


@kernel
def offset_minutes(text: NDArray[np.uint8], i: int, end: int) -> tuple[int, bool]:
    """(minutes east of UTC, whether `text[i:end]` is an offset)."""
    if end - i == 1 and byte_at(text, i) == _Z:
        return 0, True
    if end - i != 6 or (byte_at(text, i) != _PLUS and byte_at(text, i) != _DASH) or byte_at(text, i + 3) != _COLON:
        return 0, False
    hours, minutes = digits(text, i + 1, 2), digits(text, i + 4, 2)
    if hours < 0 or hours > 23 or minutes < 0 or minutes > 59:
        return 0, False
    east = hours * 60 + minutes
    return (east if byte_at(text, i) == _PLUS else -east), True


@kernel
def parse_time(text: NDArray[np.uint8], i: int, end: int) -> tuple[int, bool]:
    """(epoch ms, whether `text[i:end]` is a time of the common shape); a finer part is cut."""
    if end - i < 20 or byte_at(text, i + 4) != _DASH or byte_at(text, i + 7) != _DASH or byte_at(text, i + 10) != _T:
        return np.int64(0), False
    if byte_at(text, i + 13) != _COLON or byte_at(text, i + 16) != _COLON:
        return np.int64(0), False
    year, month, day = digits(text, i, 4), digits(text, i + 5, 2), digits(text, i + 8, 2)
    hour, minute, second = digits(text, i + 11, 2), digits(text, i + 14, 2), digits(text, i + 17, 2)
    if year < 1 or month < 1 or month > 12 or day < 1 or day > month_days(year, month):
        return np.int64(0), False
    if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
        return np.int64(0), False
    at, ms = i + 19, np.int64(0)
    if byte_at(text, at) == _DOT:
        first = at + 1
        at = first
        while at < end and 48 <= byte_at(text, at) <= 57:
            at += 1
        if at - first != 3 and at - first != 6:
            return np.int64(0), False
        ms = digits(text, first, 3)
    east, is_good = offset_minutes(text, at, end)
    minutes = (days_from_1970(year, month, day) * 24 + hour) * 60 + minute - east
    return (minutes * 60 + second) * 1000 + ms, is_good
