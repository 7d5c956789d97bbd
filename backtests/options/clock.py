"""The clock that variance keeps: a trading day counts one, a day without trading a fraction of one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.tseries.holiday import (
    AbstractHolidayCalendar,
    GoodFriday,
    Holiday,
    USLaborDay,
    USMartinLutherKingJr,
    USMemorialDay,
    USPresidentsDay,
    USThanksgivingDay,
    nearest_workday,
    sunday_to_monday,
)

from allocopt.backtests.options._arguments import FloatArray, numbers
from allocopt.errors import SpecificationError

#: What a day without trading counts on the business clock.
REST_DAY: Final = 0.15

_EPOCH = np.datetime64("1970-01-01", "D")


class _ExchangeHolidays(AbstractHolidayCalendar):
    """Full-day holidays of the New York Stock Exchange by rule, as they are known years ahead."""

    # Closings that nobody knew ahead (September 2001, storms, state funerals) must not be here: an option traded the
    # week before was priced without them.
    rules = [  # noqa: RUF012  # the base class declares a list
        Holiday("New Year's Day", month=1, day=1, observance=sunday_to_monday),  # a Saturday's is not made up for
        Holiday("Martin Luther King Day", month=1, day=1, start_date="1998-01-01", offset=USMartinLutherKingJr.offset),
        USPresidentsDay,
        GoodFriday,
        USMemorialDay,
        Holiday("Juneteenth", month=6, day=19, start_date="2022-01-01", observance=nearest_workday),
        Holiday("Independence Day", month=7, day=4, observance=nearest_workday),
        USLaborDay,
        USThanksgivingDay,
        Holiday("Christmas Day", month=12, day=25, observance=nearest_workday),
    ]


@lru_cache(maxsize=8)
def _holidays(first_year: int, last_year: int) -> npt.NDArray[np.datetime64]:
    found = _ExchangeHolidays().holidays(f"{first_year}-01-01", f"{last_year}-12-31")
    days: npt.NDArray[np.datetime64] = pd.DatetimeIndex(found).to_numpy().astype("datetime64[D]")
    return days


@dataclass(frozen=True)
class BusinessClock:
    """Measure the time to expiry by trading days, so that a weekend holds less variance than a session.

    Days are those of the New York Stock Exchange by its standing rules from 1990 on. Closings decided at short notice
    are left out on purpose: on the days before them no price knew of them.

    Parameters
    ----------
    rest_day : float, default 0.15
        What a weekend day or holiday counts, in (0, 1]; a trading day counts 1. With 1 the clock is the calendar.

    Raises
    ------
    SpecificationError
        `rest_day` is outside (0, 1].

    Examples
    --------
    From Friday's close, Monday is one trading day and two days of rest away:

    >>> import pandas as pd
    >>> from allocopt.backtests.options import BusinessClock
    >>> friday = pd.DatetimeIndex(["2018-02-02", "2018-02-02"])
    >>> BusinessClock().elapsed(friday, [3, 7]).round(2).tolist()
    [1.3, 5.3]
    """

    rest_day: float = REST_DAY

    def __post_init__(self) -> None:
        if not 0 < self.rest_day <= 1:
            raise SpecificationError(
                "a day of rest does not count between 0 and 1",
                value=self.rest_day,
                remedy="pass 0.15, or 1 for calendar days",
            )

    def elapsed(self, dates: pd.DatetimeIndex, days: npt.ArrayLike) -> FloatArray:
        """Measure from the close of each date to a number of calendar days later.

        Parameters
        ----------
        dates : DatetimeIndex, shape (m,)
            Where the time starts; the time of day is ignored.
        days : array, shape (m,) or (m, k)
            Calendar days, at least 0. A fraction of a day counts in proportion to that day.

        Returns
        -------
        array, of the shape of `days`
            In trading days.

        Raises
        ------
        InputError
            A number of days is negative, NaN or infinite.
        """
        ahead = numbers(days, "days", at_least=0.0)
        if not ahead.size:
            return np.zeros(ahead.shape)
        start = (dates.tz_localize(None).to_numpy().astype("datetime64[D]") - _EPOCH).astype(np.int64)
        start = start.reshape((-1,) + (1,) * (ahead.ndim - 1))
        first = int(start.min())
        last = int(start.max()) + int(np.ceil(ahead.max())) + 1
        total = self._cumulative(first, last)
        whole = np.floor(ahead).astype(np.int64)
        part = ahead - whole
        at = start - first
        left, right = total[at + whole], total[at + whole + 1]
        return np.asarray(left + part * (right - left) - total[at])

    def _cumulative(self, first: int, last: int) -> FloatArray:
        """Accumulate business time over the calendar days from `first` to `last`, both counted from 1970."""
        span = _EPOCH + np.arange(first, last + 1)
        years = span[[0, -1]].astype("datetime64[Y]").astype(int) + 1970
        # Whole decades, so that the calendar is made once for many calls.
        holidays = _holidays(int(years[0]) // 10 * 10, int(years[1]) // 10 * 10 + 9)
        trading = np.is_busday(span, holidays=holidays)
        return np.cumsum(np.where(trading, 1.0, self.rest_day))
