"""What the figures are computed from: a checked equity curve, and what is given beside it row by row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocopt.backtests._checks import day, decimal_rates, plain, require_dates, require_kind, require_numbers
from allocopt.errors import InputError, LabelError, ShapeError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_TICKS_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_SECONDS_PER_YEAR = 365.25 * 86_400.0


@dataclass(frozen=True, eq=False)
class Curve:
    """An equity curve of T rows, T >= 2, and the returns of the T - 1 bars between them."""

    dates: pd.DatetimeIndex
    values: FloatArray
    returns: FloatArray

    @property
    def years(self) -> FloatArray:
        """Calendar time of each bar in years of 365.25 days."""
        ticks = np.diff(self.dates.asi8).astype(np.float64)
        return ticks / (_TICKS_PER_SECOND[str(self.dates.unit)] * _SECONDS_PER_YEAR)


def read_curve(equity: pd.Series[float]) -> Curve:
    """Check an equity curve: dates in order, at least two rows, every value finite and above zero."""
    require_kind(equity, pd.Series, "the equity curve")
    dates = require_dates(equity.index, "the equity curve")
    values = require_numbers(equity, "equity")
    if values.size < 2:
        raise ShapeError(
            "the equity curve has no bar",
            value=f"{values.size} rows",
            remedy="give the starting capital on the first row and at least one row after it",
        )
    good = (values > 0.0) & (values < math.inf)
    if not good.all():
        row = int(np.argmin(good))
        value = float(values[row])
        if math.isfinite(value):
            raise InputError(
                "equity is not positive",
                where=day(dates[row]),
                value=value,
                remedy="end the curve before the account is lost: no growth rate leads through zero",
            )
        raise InputError("equity is missing or infinite", where=day(dates[row]), value=value, remedy="mend the curve")
    return Curve(dates, values, values[1:] / values[:-1] - 1.0)


def read_rates(cash_rate: float | pd.Series[float], curve: Curve, periods_per_year: float) -> FloatArray | float:
    """Return on cash of each bar: the annual rate over the number of bars in a year."""
    rates = decimal_rates(cash_rate, lambda series: _numbers_by_row(series, curve, "cash_rate"), "cash_rate")
    return rates / periods_per_year


def read_turnover(turnover: pd.Series[float], curve: Curve) -> FloatArray:
    """Turnover of each bar, checked: finite and not negative."""
    values = _numbers_by_row(turnover, curve, "turnover")
    if (values < 0.0).any():
        row = int(np.argmax(values < 0.0))
        raise InputError(
            "turnover is negative",
            where=day(curve.dates[row + 1]),
            value=float(values[row]),
            remedy="give the sum of absolute trades over the value of the account",
        )
    return values


def read_active(active: pd.Series[bool], curve: Curve) -> BoolArray:
    """Whether a position was held in each bar; row 0 may be missing, other rows are True or False."""
    _require_rows(active, curve, "active")
    if active.dtype == np.bool_:
        return active.to_numpy(dtype=np.bool_)[1:]
    cells = list(active.iloc[1:])
    for row, cell in enumerate(cells, start=1):
        if not isinstance(cell, (bool, np.bool_)):
            raise InputError(
                "active is not True or False",
                where=day(curve.dates[row]),
                value=plain(cell),
                remedy="give whether a position was held over the bar that ends at the row",
            )
    return np.array(cells, dtype=np.bool_)


def read_regimes(regimes: pd.Series[Any], curve: Curve) -> tuple[IntArray, list[Any], bool]:
    """Regime of each bar as a code, the labels in order, and whether row 0 has a label."""
    _require_rows(regimes, curve, "regimes")
    codes, found = pd.factorize(regimes.iloc[1:])
    if (codes < 0).any():
        row = int(np.argmax(codes < 0)) + 1
        raise InputError(
            "the regime is missing",
            where=day(curve.dates[row]),
            remedy="start the curve where the regimes start, or give the warm-up a label of its own",
        )
    labels: list[Any] = [plain(label) for label in found]
    try:
        order = sorted(range(len(labels)), key=lambda i: labels[i])
    except TypeError:  # labels of several kinds have no order but that of their appearance
        order = list(range(len(labels)))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place[codes], [labels[i] for i in order], not pd.isna(regimes.iloc[0])


def _numbers_by_row(given: pd.Series[float], curve: Curve, what: str) -> FloatArray:
    _require_rows(given, curve, what)
    values = require_numbers(given, what)[1:]
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise InputError(
            f"{what} is missing or infinite",
            where=day(curve.dates[row + 1]),
            value=float(values[row]),
            remedy="give a number on every row after the first",
        )
    return values


def _require_rows(given: pd.Series[Any], curve: Curve, what: str) -> None:
    require_kind(given, pd.Series, what)
    if given.index is not curve.dates and not given.index.equals(curve.dates):
        differ = given.index.symmetric_difference(curve.dates)
        raise LabelError(
            f"{what} has other rows than the equity curve",
            where=day(differ[0]) if len(differ) else None,
            value=None if len(differ) else "same dates, other order",
            remedy=f"align it: {what}.reindex(equity.index), and fill what is missing knowingly",
        )
