"""Bars that a ladder can trade on: checked, or an error that names the date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Final, Literal

import numpy as np
import pandas as pd

from allocopt.backtests._checks import (
    day,
    require_columns,
    require_dates,
    require_kind,
    require_numbers,
    require_option,
    require_same_clock,
)
from allocopt.backtests.volatility_alpha._raw import Bars, FloatArray
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError

#: A date, as a run's start and end are given.
Date = str | dt.date | dt.datetime | pd.Timestamp
#: Checks on the bars that can be switched off by their names.
CHECKS: Final = ("gap", "split")

COLUMNS: Final = ("open", "high", "low", "close")
#: Calendar days between two bars; the longest closure of the New York exchange since 1976 was 7, in September 2001.
LONGEST_GAP: Final = 10
#: Ratios of common splits, and how near to one a jump overnight must be to look like it.
SPLITS: Final = np.array([1.5, 2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 50, 100])
SPLIT_TOLERANCE: Final = np.array([0.01] + [0.025] * 14)
#: Adjusted bars may put the close outside high and low by a rounding error, relative to the price.
ROUNDING: Final = 1e-9


def bars_from_closes(closes: pd.Series[float], *, path: Literal["flat", "joined"] = "flat") -> pd.DataFrame:
    """Make bars of closes alone, for histories that have nothing else.

    Parameters
    ----------
    closes : Series by date, shape (T,)
        Prices, in money.
    path : {"flat", "joined"}
        ``"flat"``: open, high, low and close are the close, so an order is filled at the close beyond its limit, which
        is better than the limit. ``"joined"``: each bar runs from the close before to its own, so an order is filled
        at its limit. A real day reaches further than both, and fills more.

    Returns
    -------
    DataFrame, shape (T, 4)
        Columns open, high, low, close.

    Raises
    ------
    ShapeError, SpecificationError
        For something that is no Series, or another word.

    Examples
    --------
    >>> import pandas as pd
    >>> closes = pd.Series([100.0, 90.0, 95.0], index=pd.bdate_range("2024-01-01", periods=3))
    >>> bars_from_closes(closes, path="joined").iloc[1].tolist()
    [100.0, 100.0, 90.0, 90.0]
    """
    require_kind(closes, pd.Series, "closes")
    require_option(path, ("flat", "joined"), "path")
    values = require_numbers(closes, "the close")
    opens = values if path == "flat" else np.concatenate((values[:1], values[:-1]))
    table = np.column_stack((opens, np.maximum(opens, values), np.minimum(opens, values), values))
    return pd.DataFrame(table, index=closes.index, columns=list(COLUMNS))


def read_bars(
    ohlc: pd.DataFrame, *, start: Date | None = None, end: Date | None = None, allow: Collection[str] = ()
) -> Bars:
    """Check the bars from start to end, and give them as arrays."""
    require_kind(ohlc, pd.DataFrame, "the table of bars")
    require_checks(allow)
    frame = ohlc.set_axis([str(name).strip().lower() for name in ohlc.columns], axis=1)
    if frame.columns.has_duplicates:
        twice = str(frame.columns[frame.columns.duplicated()][0])
        raise LabelError("the bars have a column twice", value=twice, remedy="keep one of them")
    require_columns(
        frame, COLUMNS, "the table of bars", "name them open, high, low, close; or bars_from_closes(closes)"
    )
    frame = _between(frame, require_dates(frame.index, "the table of bars"), start, end)
    dates = pd.DatetimeIndex(frame.index)
    prices = [np.ascontiguousarray(require_numbers(frame[name], f"the {name}")) for name in COLUMNS]
    for name, values in zip(COLUMNS, prices, strict=True):
        bad = ~((values > 0.0) & (values < np.inf))
        if bad.any():
            row = int(bad.argmax())
            known = bool(np.isfinite(values[row]))
            raise InputError(
                f"the {name} is not positive" if known else f"the {name} is missing or infinite",
                where=day(dates[row]),
                value=float(values[row]) if known else None,
                remedy="correct the bar, or leave its row out; nothing is filled in",
            )
    _require_bars(dates, *prices)
    if "gap" not in allow:
        _require_no_gap(dates)
    if "split" not in allow:
        _require_no_split(dates, prices[0], prices[3])
    return Bars(dates, *(values.copy() for values in prices))


def require_checks(allow: Collection[str]) -> None:
    """Raise unless all are names of checks."""
    if isinstance(allow, str):
        raise SpecificationError("allow is no collection of names", value=allow, remedy=f'give ("{allow}",)')
    for name in allow:
        require_option(name, CHECKS, "the check to allow")


def _between(frame: pd.DataFrame, dates: pd.DatetimeIndex, start: Date | None, end: Date | None) -> pd.DataFrame:
    wanted = np.ones(len(dates), dtype=np.bool_)
    if start is not None:
        wanted &= np.asarray(dates >= _date(start, "start", dates))
    if end is not None:
        last = _date(end, "end", dates)
        whole = last == last.normalize()  # a date without a time means its whole day
        wanted &= np.asarray(dates < last + pd.Timedelta(days=1) if whole else dates <= last)
    if int(wanted.sum()) < 2:
        reach = f"the bars reach from {day(dates[0])} to {day(dates[-1])}" if len(dates) else "the table is empty"
        raise ShapeError(
            "fewer than two bars from start to end",
            where=f"{'the first bar' if start is None else day(start)} to {'the last' if end is None else day(end)}",
            value=f"{int(wanted.sum())} bars",
            remedy=f"{reach}: give at least the bar of the first purchase and one after it",
        )
    return frame[wanted]


def _date(given: Date, what: str, dates: pd.DatetimeIndex) -> pd.Timestamp:
    try:
        date = pd.Timestamp(given)
    except (TypeError, ValueError) as error:
        raise SpecificationError(f"{what} is no date", value=given, remedy="write it as 2022-10-27") from error
    if pd.isna(date):
        raise SpecificationError(f"{what} is no date", value=str(given), remedy="write it as 2022-10-27")
    if dates.tz is not None and date.tz is None:
        return date.tz_localize(dates.tz)
    require_same_clock(dates, pd.DatetimeIndex([date]), f"the table of bars, beside {what},")
    return date


def _require_bars(
    dates: pd.DatetimeIndex, opens: FloatArray, highs: FloatArray, lows: FloatArray, closes: FloatArray
) -> None:
    slack = ROUNDING * highs
    for bad, what, first, second in (
        (highs < lows - slack, "the high is below the low", highs, lows),
        (opens > highs + slack, "the open is above the high", opens, highs),
        (opens < lows - slack, "the open is below the low", opens, lows),
        (closes > highs + slack, "the close is above the high", closes, highs),
        (closes < lows - slack, "the close is below the low", closes, lows),
    ):
        if bad.any():
            row = int(bad.argmax())
            raise InputError(
                what,
                where=day(dates[row]),
                value=(float(first[row]), float(second[row])),
                remedy="correct the bar; adjust all four prices by one factor, not the close alone",
            )


def _require_no_gap(dates: pd.DatetimeIndex) -> None:
    nights = dates[1:] - dates[:-1]
    if (nights > pd.Timedelta(days=LONGEST_GAP)).any():
        row = int(nights.argmax())
        raise InputError(
            f"no bar for {nights[row].days} days after {day(dates[row])}",
            where=day(dates[row + 1]),
            remedy='complete the history, start after the gap, or pass allow=("gap",) if it is one in which nothing '
            "traded",
        )


def _require_no_split(dates: pd.DatetimeIndex, opens: FloatArray, closes: FloatArray) -> None:
    # Bars that begin at the close before them, as those of joined closes do, jump to their own close.
    jumps = np.where(opens[1:] == closes[:-1], closes[1:], opens[1:]) / closes[:-1]
    size = np.maximum(jumps, 1.0 / jumps)
    suspected = (np.abs(size[:, None] / SPLITS - 1.0) < SPLIT_TOLERANCE).any(axis=1)
    if suspected.any():
        row = int(suspected.argmax())
        raise InputError(
            "the price looks like a split that it is not adjusted for (over the close before)",
            where=day(dates[row + 1]),
            value=round(float(jumps[row]), 4),
            remedy='adjust the prices for splits, or pass allow=("split",) if the price did jump',
        )
