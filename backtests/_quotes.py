"""Checks of quoted volatility, in points or decimals, and interpolation between maturities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day, plain, require_dates, require_kind, require_numbers
from allocopt.errors import InputError, LabelError, ShapeError

_LOWEST_MEDIAN_IN_POINTS = 1.5  # no volatility index has spent its life under two points
_HIGHEST_MEDIAN_DECIMAL = 5.0  # nor any asset at 500 percent a year


def variance_at(days: int, variance: dict[int, pd.Series[float]]) -> pd.Series[float]:
    """Total variance at a tenor, from total variances by maturity in increasing order."""
    maturities = list(variance)
    if days <= maturities[0]:
        return variance[maturities[0]] * (days / maturities[0])
    after = next(position for position, maturity in enumerate(maturities) if maturity >= days)
    left, right = maturities[after - 1], maturities[after]
    weight = (days - left) / (right - left)
    return variance[left] * (1 - weight) + variance[right] * weight


def points(level: pd.Series[float], name: str) -> pd.Series[float]:
    """Check an index in points and drop the dates without a value."""
    require_kind(level, pd.Series, name)
    require_dates(level.index, name)
    values = require_numbers(level, name)
    bad = np.isinf(values) | (values <= 0)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"{name} is infinite or not positive",
            where=day(level.index[row]),
            value=plain(level.iloc[row]),
            remedy="mend the value, or make it NaN for a date without a quote",
        )
    quoted = pd.Series(values, index=level.index).dropna()
    if quoted.empty:
        raise ShapeError(f"{name} has no values", value=len(level), remedy="pass at least one quoted level")
    if quoted.median() < _LOWEST_MEDIAN_IN_POINTS:
        raise InputError(
            f"{name} looks like a decimal: its median",
            value=float(quoted.median()),
            remedy="multiply it by 100; an index is given in points as quoted",
        )
    return quoted


def decimals(column: pd.Series[Any]) -> pd.Series[float]:
    """Check a column of volatilities in decimals, NaN at its start only."""
    values = require_numbers(column, str(column.name))
    known = ~np.isnan(values)
    bad = np.isinf(values) | (values < 0) | (~known & np.logical_or.accumulate(known))
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"{column.name} is infinite, negative, or missing after its first value",
            where=day(column.index[row]),
            value=plain(column.iloc[row]),
            remedy="mend the value; to fill gaps by name use where_available",
        )
    if known.any() and (median := float(np.median(values[known]))) > _HIGHEST_MEDIAN_DECIMAL:
        raise InputError(
            f"{column.name} looks like points: its median", value=median, remedy="divide it by 100; decimals are wanted"
        )
    return pd.Series(values, index=column.index)


def source_column(sources: str | pd.Series[str], index: pd.Index[Any]) -> pd.Series[str]:
    """Spread one source name over all rows, or check the one of each row."""
    if isinstance(sources, str):
        sources = pd.Series(sources, index=index, dtype=object)
    require_kind(sources, pd.Series, "sources")
    if not sources.index.equals(index):
        raise LabelError("sources has another index than the data", value=len(sources), remedy="give one name a row")
    for label, name in sources.items():
        if not isinstance(name, str) or not name:
            raise InputError("a source has no name", where=day(label), value=name, remedy="name it with a string")
    return sources.astype(object).rename("source")
