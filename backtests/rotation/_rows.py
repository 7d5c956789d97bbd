"""Dates and the rows that they stand for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.backtests._checks import day, plain, require_dates, require_same_clock
from allocopt.backtests.rotation.market import OHLCV
from allocopt.backtests.rotation.volatility import ImpliedVolatility
from allocopt.errors import LabelError, SpecificationError

Date = str | pd.Timestamp


def on_rows(value: float | pd.Series[float], dates: pd.DatetimeIndex, name: str) -> float | pd.Series[float]:
    """Cut a rate by date to the studied rows."""
    if not isinstance(value, pd.Series):
        return value
    require_same_clock(dates, require_dates(value.index, f"the {name}"), f"the {name}")
    missing = dates[~dates.isin(value.index)]
    if len(missing):
        raise LabelError(
            f"the {name} is missing on {len(missing)} of {len(dates)} studied dates, the first",
            where=day(missing[0]),
            remedy="give one value for each, or a number",
        )
    return value.reindex(dates)


def require_two_rows(first: int, last: int, start: Date | None, end: Date | None) -> None:
    """Raise a `SpecificationError` for a window of fewer than two rows."""
    if last - first < 2:
        raise SpecificationError(
            "the window holds fewer than two rows", value=(str(start), str(end)), remedy="choose other dates"
        )


def extended(implied: ImpliedVolatility, index: pd.DatetimeIndex) -> ImpliedVolatility:
    """Implied volatilities on the market's rows, missing before their first date."""
    require_same_clock(index, implied.index, "the implied volatility")
    own = implied.frame.reindex(index)
    first = int(index.searchsorted(implied.index[0]))
    if first == len(index):
        raise SpecificationError(
            "implied volatility begins after the last row",
            where=day(implied.index[0]),
            value=day(index[-1]),
            remedy="give volatilities of the same dates as the bars",
        )
    implied.on(index[first:])  # raises where a later row has none
    sources = implied.source.reindex(index).fillna("none")
    return ImpliedVolatility(own, sources)


def window_of(index: pd.DatetimeIndex, defined: npt.NDArray[np.bool_], start: Date | None, end: Date | None) -> slice:
    """Rows from start to end, on all of which scores and regimes are defined."""
    if not defined.any():
        raise SpecificationError(
            "no row has scores and a regime", value=f"{len(index)} rows", remedy="give at least 120 consecutive bars"
        )
    first = int(defined.argmax()) if start is None else int(index.searchsorted(stamp(start, index)))
    last = len(index) if end is None else int(index.searchsorted(stamp(end, index), side="right"))
    require_two_rows(first, last, start, end)
    lacking = np.flatnonzero(~defined[first:last])
    if lacking.size:
        raise SpecificationError(
            "scores or the regime are not defined on a studied row",
            where=day(index[first + int(lacking[0])]),
            remedy=f"start on or after {day(index[int(defined.argmax())])}, or give earlier bars for the warm-up",
        )
    return slice(first, last)


def bars_until(market: OHLCV, end: Date | None) -> OHLCV:
    """Bars up to and including a date; all of them where none is left, which `window_of` reports."""
    last = len(market) if end is None else int(market.index.searchsorted(stamp(end, market.index), side="right"))
    return market if last in (0, len(market)) else OHLCV(market.frame.iloc[:last])


def stamp(date: Date, index: pd.DatetimeIndex) -> pd.Timestamp:
    """Read a date on the clock of an index; a `SpecificationError` for what is none."""
    try:
        stamp = pd.Timestamp(date)
    except (TypeError, ValueError) as error:
        raise SpecificationError("not a date", value=plain(date), remedy="write it like 2020-01-02") from error
    if pd.isna(stamp):
        raise SpecificationError("not a date", value=str(date), remedy="write it like 2020-01-02")
    stamp = stamp.tz_localize(index.tz) if index.tz is not None and stamp.tz is None else stamp
    require_same_clock(index, pd.DatetimeIndex([stamp]), "the window and the bars")
    return stamp
