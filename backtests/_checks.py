"""Checks that the systems share: an index of dates, columns of numbers, tables that belong together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError

_Kind = TypeVar("_Kind")


def require_kind(value: object, kind: type[_Kind], what: str) -> _Kind:
    """Return the value if it is of that kind; a `ShapeError` otherwise."""
    if not isinstance(value, kind):
        raise ShapeError(
            f"{what} is not of type {kind.__name__}", value=type(value).__name__, remedy=f"pass {kind.__name__}(...)"
        )
    return value


def day(label: object) -> str:
    """Write a date for a message, without an empty time of day."""
    return str(label).removesuffix(" 00:00:00")


def plain(cell: object) -> object:
    """Turn a numpy scalar into the Python number it holds, so that a message shows 0.5 and not np.float64(0.5)."""
    return cell.item() if isinstance(cell, np.generic) else cell


def require_dates(index: pd.Index[Any], what: str) -> pd.DatetimeIndex:
    """Return the index if it holds dates in strictly increasing order; a `LabelError` that names the date otherwise."""
    if not isinstance(index, pd.DatetimeIndex):
        raise LabelError(
            f"{what} is not indexed by dates",
            value=str(index.dtype),
            remedy="set a DatetimeIndex, for example with frame.index = pandas.to_datetime(frame.index)",
        )
    ticks = index.asi8
    if len(ticks) == 0 or (ticks[0] != np.iinfo(np.int64).min and (ticks[1:] > ticks[:-1]).all()):
        return index  # without the search for what is wrong, which takes ten times as long
    missing = np.flatnonzero(index.isna())
    if missing.size:
        raise LabelError(f"{what} has a missing date", where=f"row {missing[0]}", remedy="drop or date that row")
    duplicated = np.flatnonzero(index.duplicated())
    if duplicated.size:
        raise LabelError(
            f"{what} has a date twice",
            where=f"row {duplicated[0]}",
            value=day(index[duplicated[0]]),
            remedy="keep one row a date, and one instrument a table",
        )
    backward = np.flatnonzero(np.diff(index.asi8) < 0)
    if backward.size:
        raise LabelError(
            f"{what} is not sorted by date",
            where=f"row {backward[0] + 1}",
            value=day(index[backward[0] + 1]),
            remedy="call sort_index() first",
        )
    return index


def require_columns(frame: pd.DataFrame, names: Iterable[str], what: str, remedy: str) -> None:
    """Raise a `LabelError` that lists the columns the frame lacks."""
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise LabelError(f"{what} lacks columns", value=missing, remedy=remedy)


def require_numbers(column: pd.Series[Any], name: str) -> NDArray[np.float64]:
    """Return the column as floats, missing values as NaN; an `InputError` names the first cell that is no number."""
    dtype = column.dtype
    if pd.api.types.is_bool_dtype(dtype) or not pd.api.types.is_numeric_dtype(dtype) or dtype.kind == "c":
        for label, cell in column.items():
            if isinstance(cell, bool | np.bool_) or not isinstance(cell, int | float | np.integer | np.floating):
                raise InputError(
                    f"{name} is not a number",
                    where=day(label),
                    value=plain(cell),
                    remedy="convert the column to float first",
                )
        raise InputError(f"{name} is not numeric", value=str(dtype), remedy="call astype(float) on the column")
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def require_option(value: str, allowed: tuple[str, ...], what: str) -> None:
    """Raise a `SpecificationError` unless the value is one of the allowed words."""
    if value not in allowed:
        raise SpecificationError(f"{what} is unknown", value=value, remedy=f"use one of {', '.join(allowed)}")


def require_same_clock(index: pd.DatetimeIndex, other: pd.DatetimeIndex, what: str) -> None:
    """Raise a `LabelError` if one index has a time zone and the other has none: their dates would never meet."""
    if (index.tz is None) != (other.tz is None):
        raise LabelError(
            f"{what} mixes dates with and without a time zone",
            value=(str(index.tz), str(other.tz)),
            remedy="put both on one clock, with tz_localize('UTC') for bars by the hour, or tz_convert(exchange zone)."
            "tz_localize(None).normalize() for sessions",
        )


def require_periods(periods_per_year: float) -> float:
    """Return the number of bars per year if it is a positive number; a `SpecificationError` otherwise."""
    number = isinstance(periods_per_year, (int, float, np.integer, np.floating))
    if isinstance(periods_per_year, bool) or not number or not 0.0 < periods_per_year < math.inf:
        raise SpecificationError(
            "periods_per_year is not a positive number",
            value=plain(periods_per_year),
            remedy="give the bars of one year: 252 for exchange days, 8760 for hours round the clock",
        )
    return float(periods_per_year)


def decimal_rates(
    rate: float | pd.Series[float], read: Callable[[pd.Series[float]], NDArray[np.float64]], what: str
) -> NDArray[np.float64] | float:
    """Read an annual rate, or one a row with ``read``; a `SpecificationError` for one that must be in percent."""
    if isinstance(rate, pd.Series):
        rates: NDArray[np.float64] | float = read(rate)
        worst = float(np.abs(rates).max())
    else:
        number = isinstance(rate, (int, float, np.integer, np.floating)) and not isinstance(rate, bool)
        if not number or not math.isfinite(rate):
            raise SpecificationError(
                f"{what} is not a number", value=plain(rate), remedy="give a decimal per year, or a Series"
            )
        rates = float(rate)
        worst = abs(rates)
    if worst >= 1.0:
        raise SpecificationError(
            f"{what} is not a decimal per year", value=worst, remedy="write 0.05 for five percent a year"
        )
    return rates
