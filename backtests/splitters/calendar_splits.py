"""Windows that begin on boundaries of the calendar: years, quarters, weeks, any pandas offset."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import BaseOffset, Tick

from allocopt.backtests._checks import day, require_dates, require_option, require_same_clock
from allocopt.backtests.splitters.splitter import Incomplete, Positions, dropped_rows, index_of
from allocopt.errors import LabelError, ShapeError, SpecificationError


@dataclass(frozen=True)
class CalendarSplits:
    """Train on some periods of the calendar, test on the next: three years and one year, whatever their rows.

    A test window begins on a boundary of ``test`` and ends before the next; the train window is the ``train`` before
    it, without its last ``gap`` rows. Both hold their first boundary and not their last.

    Parameters
    ----------
    train, test : str or pandas offset
        Lengths of the windows. Offsets that start a period give calendar windows: ``"3YS"`` three calendar years,
        ``"QS"`` a quarter, ``"MS"`` a month, ``"W-MON"`` a week. ``pandas.DateOffset(years=1)`` and ``"90D"`` are
        counted from the first row's day.
    step : str or pandas offset, optional
        From one test window to the next. Default: ``test``, so that the test windows adjoin.
    expanding : bool, default False
        Keep the first boundary of the first train window in all of them.
    start : date, optional
        Earliest first boundary of a train window; rows before it are history that a study sees and nothing scores.
        Default: the first boundary from which on no row is missing.
    lag, horizon : int
        As for `Rolling`.
    gap : int, optional
        Rows dropped from the end of each train window. Default: ``lag + horizon``.
    incomplete : {"raise", "keep", "drop"}
        What to do with a last test window that the index ends in: an error, a short window, or rows that are not
        tested.

    Raises
    ------
    SpecificationError
        For an offset that cannot be read or does not lead forward, or another setting outside its range.
    LabelError
        When splitting: there are no dates, or they do not ascend.
    ShapeError
        When splitting: the index holds no fold, a window has no rows, or the last one is incomplete.

    Notes
    -----
    Nobody knows from an index whether 1 January was a holiday. A window counts as whole if what is between its
    boundary and the row next to it is no longer than the longest distance between two rows of the index.

    Examples
    --------
    >>> days = pd.bdate_range("2001-01-02", "2005-12-30")
    >>> for train, test in CalendarSplits(train="3YS", test="YS").split(days):
    ...     print(*(days[i].date() for i in (train[0], train[-1], test[0], test[-1])))
    2001-01-02 2003-12-30 2004-01-01 2004-12-31
    2002-01-01 2004-12-30 2005-01-03 2005-12-30
    """

    train: str | BaseOffset
    test: str | BaseOffset
    step: str | BaseOffset | None = None
    expanding: bool = False
    start: str | dt.date | None = None
    lag: int = 1
    horizon: int = 0
    gap: int | None = None
    incomplete: Incomplete = "raise"

    def __post_init__(self) -> None:
        for name in ("train", "test", "step"):
            if name != "step" or self.step is not None:
                _offset(getattr(self, name), name)
        if not isinstance(self.expanding, bool):
            raise SpecificationError("expanding is not True or False", value=self.expanding, remedy="give a bool")
        dropped_rows(self.lag, self.horizon, self.gap, "gap")
        require_option(self.incomplete, get_args(Incomplete), "incomplete")
        if self.start is not None:
            try:
                good = not pd.isna(pd.Timestamp(self.start))
            except (TypeError, ValueError):
                good = False
            if not good:
                raise SpecificationError("start is no date", value=str(self.start), remedy='give one as "2001-01-01"')

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Positions, Positions]]:
        """Yield train and test positions, fold by fold; ``y`` and ``groups`` are not used."""
        yield from self._folds(X)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Count the folds, which depends on the dates of ``X``."""
        return len(self._folds(X))

    def _folds(self, X: object) -> list[tuple[Positions, Positions]]:
        dates = _dates(X)
        train, test = _offset(self.train, "train"), _offset(self.test, "test")
        step = test if self.step is None else _offset(self.step, "step")
        gap = dropped_rows(self.lag, self.horizon, self.gap, "gap")
        gaps = dates[1:] - dates[:-1]
        spacing = min(
            gaps.max(), 7 * gaps.to_series().median()
        )  # a hole of months is no sign that months may lack at the end
        earliest = self._earliest(dates, train, spacing)
        begins = test.rollforward(earliest + train)
        first = begins - train
        found: list[tuple[Positions, Positions]] = []
        while begins <= dates[-1]:
            ends = begins + test
            if ends - dates[-1] > spacing and self.incomplete != "keep":
                if self.incomplete == "drop":
                    break
                raise ShapeError(
                    f"the last test window, to {day(ends)}, is incomplete",
                    where=f"fold {len(found)}, {day(begins)}",
                    value=f"last row {day(dates[-1])}",
                    remedy='say incomplete="keep" for a short window, or incomplete="drop" to leave its rows untested',
                )
            found.append(self._fold(dates, first if self.expanding else begins - train, begins, ends, gap))
            if ends > dates[-1]:
                break
            begins = begins + step
        if not found:
            raise ShapeError(
                f"the index is too short for one fold, which trains from {day(earliest)} and tests from {day(begins)}",
                value=f"last row {day(dates[-1])}",
                remedy="give more rows, or smaller windows",
            )
        return found

    def _earliest(self, dates: pd.DatetimeIndex, train: BaseOffset, spacing: pd.Timedelta) -> pd.Timestamp:
        """First boundary of the train offset from which on no row is missing."""
        if self.start is not None:
            start = pd.Timestamp(self.start)
            if start.tzinfo is None and dates.tz is not None:
                start = start.tz_localize(dates.tz)
            require_same_clock(dates, pd.DatetimeIndex([start]), "start, beside the dates,")
            boundary: pd.Timestamp = train.rollforward(start)
        else:
            boundary = dates[0] if isinstance(train, Tick) else train.rollback(dates[0].normalize())
        if boundary < dates[0] and dates[0] - boundary > spacing:
            if self.start is not None:
                raise ShapeError(
                    "start is before the first row",
                    where=day(boundary),
                    value=day(dates[0]),
                    remedy="give a later start, or none",
                )
            boundary = train.rollforward(dates[0].normalize())
        return boundary

    def _fold(
        self, dates: pd.DatetimeIndex, first: pd.Timestamp, begins: pd.Timestamp, ends: pd.Timestamp, gap: int
    ) -> tuple[Positions, Positions]:
        low, middle, high = dates.searchsorted(pd.DatetimeIndex([first, begins, ends])).tolist()
        for what, rows, since in (("train", middle - gap - low, first), ("test", high - middle, begins)):
            if rows < 1:
                raise ShapeError(
                    f"a {what} window has no rows" + (f" before its gap of {gap}" if what == "train" else ""),
                    where=f"{day(since)} to {day(begins if what == 'train' else ends)}",
                    remedy="give longer windows, or dates without the hole",
                )
        return np.arange(low, middle - gap), np.arange(middle, high)


def _dates(X: object) -> pd.DatetimeIndex:
    index = index_of(X)
    if not isinstance(index, pd.DatetimeIndex):
        raise LabelError(
            "calendar windows need dates, and what is to be split has none",
            value=type(X).__name__ if index is None else str(index.dtype),
            remedy="pass a DatetimeIndex, or a table that has one",
        )
    dates = require_dates(index, "what is to be split")
    if len(dates) < 2:
        raise ShapeError("the index is too short for one fold", value=f"{len(dates)} rows", remedy="give more rows")
    return dates


def _offset(given: str | BaseOffset, what: str) -> BaseOffset:
    remedy = 'give a pandas offset, as "3YS", "QS", "MS", "W-MON" or pandas.DateOffset(years=3)'
    try:
        offset = to_offset(given)
    except (ValueError, TypeError):
        offset = None
    if offset is None:
        raise SpecificationError(f"{what} is no offset", value=str(given), remedy=remedy)
    someday = offset.rollback(pd.Timestamp("2001-01-01"))
    if not someday + offset > someday:
        raise SpecificationError(f"{what} does not lead forward in time", value=str(given), remedy=remedy)
    return offset
