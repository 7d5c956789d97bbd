"""Sessions that are known in advance, and the expiries that fall on them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.backtests.options import BusinessClock

DayArray = npt.NDArray[np.datetime64]

_DAY = np.timedelta64(1, "D")


def exchange_holidays(first: np.datetime64, last: np.datetime64) -> DayArray:
    """Weekdays on which the New York exchanges are closed by their standing rules, as their clock has them."""
    span = np.arange(first, last + _DAY, dtype="datetime64[D]")
    weekdays = span[np.is_busday(span)]
    clock = BusinessClock(rest_day=0.5)
    counted = clock.elapsed(pd.DatetimeIndex(weekdays - _DAY), np.ones(len(weekdays)))
    return weekdays[counted < 1.0]


def expiry_days(filled: DayArray, days: int, holidays: DayArray) -> DayArray:
    """Day of expiry of an option of so many calendar days: the session before where that is none.

    An option lives for a session at least: where the session before is not after the fill, it is the next one.
    """
    target = filled + days * _DAY
    before = np.busday_offset(target, 0, roll="backward", holidays=holidays)
    after = np.busday_offset(filled + _DAY, 0, roll="forward", holidays=holidays)
    return np.where(before > filled, before, after)
