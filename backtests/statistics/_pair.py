"""What the tests are computed from: two streams of returns on the same dates, checked, in excess of cash."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocopt.backtests._checks import (
    day,
    decimal_rates,
    require_dates,
    require_kind,
    require_numbers,
    require_periods,
)
from allocopt.backtests.metrics._numbers import deviation
from allocopt.errors import InputError, LabelError, ShapeError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Four moments, their autoregression and a bandwidth are estimated; a test of fewer rows would be for show.
FEWEST_ROWS: Final = 30
_EPSILON: Final = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Pair:
    """Two streams of excess returns, shape (n, 2), and what they are after each is centred and scaled.

    `standardised` has mean 0 and mean square 1 in each column; `ratios` are mean over deviation per row, with ddof 0,
    so that the returns over their deviation are ``standardised + ratios``.
    """

    returns: FloatArray
    standardised: FloatArray
    ratios: FloatArray

    @property
    def rows(self) -> int:
        """Number of rows, n."""
        return len(self.returns)

    @cached_property
    def sharpe(self) -> FloatArray:
        """Both Sharpe ratios per row, with ddof 1 as in `allocopt.backtests.metrics`."""
        return self.ratios * math.sqrt((self.rows - 1) / self.rows)

    @property
    def difference(self) -> float:
        """First Sharpe ratio minus the second, per row."""
        return float(self.sharpe[0] - self.sharpe[1])

    @cached_property
    def same(self) -> bool:
        """Whether one stream is a positive multiple of the other, up to rounding: then nothing is left to test."""
        largest = np.abs(self.standardised).max() + np.abs(self.ratios).max()
        apart = np.abs(self.standardised[:, 0] - self.standardised[:, 1]).max()
        apart = max(float(apart), abs(float(self.ratios[0] - self.ratios[1])))
        return apart <= 64.0 * _EPSILON * (1.0 + float(largest))


def pair_of(returns: FloatArray) -> Pair:
    """Centre and scale two columns that are known to vary."""
    means = returns.mean(axis=0)
    centred = returns - means
    centred -= centred.mean(axis=0)
    spread = np.sqrt((centred * centred).mean(axis=0))
    return Pair(returns, centred / spread, means / spread)


def read_pair(
    first: pd.Series[float], second: pd.Series[float], cash_rate: float | pd.Series[float], periods_per_year: float
) -> tuple[Pair, float]:
    """Check two streams of returns and the cash rate; return the pair in excess of cash, and the periods as a float."""
    require_kind(first, pd.Series, "the first stream of returns")
    require_kind(second, pd.Series, "the second stream of returns")
    periods = require_periods(periods_per_year)
    dates = require_dates(first.index, "the first stream of returns")
    require_dates(second.index, "the second stream of returns")
    _require_rows(second, dates, "the second stream of returns")
    if len(dates) < FEWEST_ROWS:
        raise ShapeError(
            "the streams are too short for a test",
            value=f"{len(dates)} rows",
            remedy=f"give at least {FEWEST_ROWS} returns, better some hundred",
        )
    cash = _rates(cash_rate, dates) / periods
    columns = []
    for name, stream in (("the first stream", first), ("the second stream", second)):
        values = _finite(stream, dates, f"the return of {name}")
        lost = values < -1.0
        if lost.any():
            row = int(np.argmax(lost))
            raise InputError(
                f"the return of {name} loses more than everything",
                where=day(dates[row]),
                value=float(values[row]),
                remedy="give decimals, 0.01 for one percent; end the stream before the account is lost",
            )
        excess = values - cash
        if not deviation(excess) > 0.0:
            raise InputError(
                f"{name} has no volatility, so no Sharpe ratio",
                where=f"{day(dates[0])} to {day(dates[-1])}",
                remedy="give a stream that varies",
            )
        columns.append(excess)
    return pair_of(np.column_stack(columns)), periods


def _rates(cash_rate: float | pd.Series[float], dates: pd.DatetimeIndex) -> FloatArray | float:
    def read(series: pd.Series[float]) -> FloatArray:
        _require_rows(series, dates, "cash_rate")
        return _finite(series, dates, "cash_rate")

    return decimal_rates(cash_rate, read, "cash_rate")


def _finite(stream: pd.Series[float], dates: pd.DatetimeIndex, what: str) -> FloatArray:
    values = require_numbers(stream, what)
    good = np.isfinite(values)
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(
            f"{what} is missing or infinite",
            where=day(dates[row]),
            value=float(values[row]),
            remedy="mend the stream, or drop the date from both streams knowingly",
        )
    return values


def _require_rows(given: pd.Series[float], dates: pd.DatetimeIndex, what: str) -> None:
    if given.index is dates or given.index.equals(dates):
        return
    differ = given.index.symmetric_difference(dates)
    raise LabelError(
        f"{what} has other dates than the first stream",
        where=day(differ[0]) if len(differ) else None,
        value=None if len(differ) else "same dates, other order",
        remedy="put both on their common dates: first, second = first.align(second, join='inner')",
    )
