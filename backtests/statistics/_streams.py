"""What the statistics of trials are computed from: returns by date, checked, in excess of cash."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocopt.backtests._checks import (
    day,
    decimal_rates,
    plain,
    require_dates,
    require_kind,
    require_numbers,
    require_periods,
)
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

#: What varies by less than this, relative to one plus its size, does not vary: as in `allocopt.backtests.metrics`.
ROUNDING: Final = 8.0 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Streams:
    """Excess returns, shape (rows, streams), with their dates and labels."""

    values: FloatArray
    dates: pd.DatetimeIndex
    labels: pd.Index[Any]
    periods: float


def read_stream(
    returns: pd.Series[float], cash_rate: float | pd.Series[float], periods_per_year: float, fewest: int
) -> Streams:
    """Check one stream of returns: dates in order, finite decimals that vary, at least `fewest` rows."""
    require_kind(returns, pd.Series, "the stream of returns")
    periods = require_periods(periods_per_year)
    dates = require_dates(returns.index, "the stream of returns")
    _require_length(dates, fewest, "the stream of returns")
    values = _checked(require_numbers(returns, "the return")[:, None], dates, None)
    return _in_excess(values, dates, pd.Index(["the stream of returns"]), cash_rate, periods)


def read_trials(
    trials: pd.DataFrame, cash_rate: float | pd.Series[float], periods_per_year: float, fewest: int
) -> Streams:
    """Check the returns of trials, one column each: as one stream, and two columns or more with labels of their own."""
    require_kind(trials, pd.DataFrame, "the table of trials")
    periods = require_periods(periods_per_year)
    dates = require_dates(trials.index, "the table of trials")
    _require_length(dates, fewest, "the table of trials")
    labels = trials.columns
    if len(labels) < 2:
        raise ShapeError(
            "there are fewer than two trials",
            value=f"{len(labels)} columns",
            remedy="give the returns of every trial that was looked at, one column each",
        )
    if not labels.is_unique:
        twice = labels[labels.duplicated()][0]
        raise LabelError("a trial is there twice", value=plain(twice), remedy="give every column a label of its own")
    if (trials.dtypes == np.float64).all():
        values = trials.to_numpy(dtype=np.float64)
    else:
        columns = [
            require_numbers(trials.iloc[:, k], f"the return of trial {plain(labels[k])!r}") for k in range(len(labels))
        ]
        values = np.column_stack(columns)
    return _in_excess(_checked(values, dates, labels), dates, labels, cash_rate, periods)


def _in_excess(
    values: FloatArray,
    dates: pd.DatetimeIndex,
    labels: pd.Index[Any],
    cash_rate: float | pd.Series[float],
    periods: float,
) -> Streams:
    excess = values - np.reshape(_rates(cash_rate, dates) / periods, (-1, 1))
    still = deviations(excess) == 0.0
    if still.any():
        raise InputError(
            f"{_named(labels[int(np.argmax(still))], labels)} has no volatility, so no Sharpe ratio",
            where=f"{day(dates[0])} to {day(dates[-1])}",
            remedy="leave it out, or give returns that vary",
        )
    return Streams(excess, dates, labels, periods)


def deviations(excess: FloatArray) -> FloatArray:
    """Give the standard deviation of each column with ddof 1; 0 for a spread that rounding explains."""
    low, high = excess.min(axis=0), excess.max(axis=0)
    found: FloatArray = excess.std(axis=0, ddof=1)
    found[high - low <= ROUNDING * (1.0 + np.maximum(np.abs(low), np.abs(high)))] = 0.0
    return found


def _named(label: object, labels: pd.Index[Any]) -> str:
    return f"trial {plain(label)!r}" if len(labels) > 1 else str(label)


def _require_length(dates: pd.DatetimeIndex, fewest: int, what: str) -> None:
    if len(dates) < fewest:
        raise ShapeError(f"{what} is too short", value=f"{len(dates)} rows", remedy=f"give at least {fewest} rows")


def _checked(values: FloatArray, dates: pd.DatetimeIndex, labels: pd.Index[Any] | None) -> FloatArray:
    good = np.isfinite(values) & (values >= -1.0)
    if good.all():
        return values
    row, column = (int(part) for part in np.argwhere(~good)[0])
    value = float(values[row, column])
    what = "the return" if labels is None else f"the return of trial {plain(labels[column])!r}"
    if math.isfinite(value):
        raise InputError(
            f"{what} loses more than everything",
            where=day(dates[row]),
            value=value,
            remedy="give decimals, 0.01 for one percent; end the stream before the account is lost",
        )
    raise InputError(
        f"{what} is missing or infinite",
        where=day(dates[row]),
        value=value,
        remedy="mend it, or drop the date from all streams knowingly",
    )


def _rates(cash_rate: float | pd.Series[float], dates: pd.DatetimeIndex) -> FloatArray | float:
    def read(series: pd.Series[float]) -> FloatArray:
        if series.index is not dates and not series.index.equals(dates):
            differ = series.index.symmetric_difference(dates)
            raise LabelError(
                "cash_rate has other dates than the returns",
                where=day(differ[0]) if len(differ) else None,
                value=None if len(differ) else "same dates, other order",
                remedy="align it: cash_rate.reindex(returns.index), and fill what is missing knowingly",
            )
        values = require_numbers(series, "cash_rate")
        if not np.isfinite(values).all():
            row = int(np.argmin(np.isfinite(values)))
            raise InputError(
                "cash_rate is missing or infinite",
                where=day(dates[row]),
                value=float(values[row]),
                remedy="give a number on every row",
            )
        return values

    return decimal_rates(cash_rate, read, "cash_rate")


def require_confidence(confidence: float) -> float:
    """Return the confidence if it is a decimal between 0 and 1; a `SpecificationError` otherwise."""
    number = isinstance(confidence, (float, np.floating)) and not isinstance(confidence, bool)
    if not number or not 0.0 < confidence < 1.0:
        raise SpecificationError("confidence is not between 0 and 1", value=plain(confidence), remedy="give 0.95")
    return float(confidence)


def require_number(value: float, what: str, remedy: str, *, least: float = -math.inf) -> float:
    """Return the value if it is a finite number of at least `least`; a `SpecificationError` otherwise."""
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < least:
        bound = "" if least == -math.inf else f" of at least {least:g}"
        raise SpecificationError(f"{what} is not a finite number{bound}", value=plain(value), remedy=remedy)
    return float(value)


def shown_p(p: float) -> str:
    """Write a p-value: three decimals, or a power of ten where those would be zeros."""
    return f"{p:.3f}" if p >= 0.0005 or p == 0.0 else f"{p:.1e}"
