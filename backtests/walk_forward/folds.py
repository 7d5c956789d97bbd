"""The folds of a study: what a splitter gave, checked, and whether it goes forward in time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day
from allocopt.backtests.splitters import Splitter
from allocopt.backtests.walk_forward.scoring import Rows
from allocopt.errors import ShapeError, SpecificationError


@dataclass(frozen=True, eq=False)
class Folds:
    """Train and test rows of every fold.

    Attributes
    ----------
    windows : tuple of (train, test)
        Positions, ascending.
    paths : ndarray of int, shape (paths, T), optional
        None where every fold trains before it tests and the tests follow one another. Otherwise, for each path and
        row, the fold whose test covers that row.
    """

    windows: tuple[tuple[Rows, Rows], ...]
    paths: Rows | None

    @property
    def forward(self) -> bool:
        """Whether the folds go forward in time, so that they make up one history."""
        return self.paths is None

    @property
    def tested(self) -> Rows:
        """Rows that any fold tests."""
        found: Rows = np.unique(np.concatenate([test for _, test in self.windows]))
        return found


def read_folds(splitter: Any, dates: pd.DatetimeIndex) -> Folds:
    """Split the rows; a typed error for folds that no single history can be made of."""
    if not isinstance(splitter, Splitter):
        raise SpecificationError(
            "not a splitter", value=type(splitter).__name__, remedy='give CalendarSplits(train="3YS", test="YS"), say'
        )
    windows = tuple((_rows(a, dates, "train"), _rows(b, dates, "test")) for a, b in splitter.split(dates))
    if not windows:
        raise ShapeError("the splitter gave no fold", value=f"{len(dates)} rows", remedy="give more rows")
    if all(train[-1] < test[0] for train, test in windows):
        _require_one_history(windows, dates)
        return Folds(windows, None)
    paths = getattr(splitter, "paths", None)
    if not callable(paths):
        raise SpecificationError(
            "train rows lie after test rows, and the splitter does not say which paths its tests make up",
            value=type(splitter).__name__,
            remedy="use CombinatorialPurged, or a splitter that goes forward",
        )
    return Folds(windows, np.asarray(paths(dates), dtype=np.intp))


def _rows(given: Any, dates: pd.DatetimeIndex, what: str) -> Rows:
    rows = np.asarray(given)
    good = rows.ndim == 1 and rows.size > 0 and rows.dtype.kind in "iu"
    if not good or rows[0] < 0 or rows[-1] >= len(dates) or not (np.diff(rows) > 0).all():
        raise ShapeError(
            f"{what} rows of a fold are not ascending positions",
            value=f"{rows.dtype} of shape {rows.shape}",
            remedy="yield integer positions, as scikit-learn's splitters do, at least one a window",
        )
    return rows.astype(np.intp)


def _require_one_history(windows: tuple[tuple[Rows, Rows], ...], dates: pd.DatetimeIndex) -> None:
    for number, window in enumerate(windows):
        for what, rows in zip(("train", "test"), window, strict=True):
            if rows[-1] - rows[0] + 1 != len(rows):
                raise SpecificationError(
                    f"a {what} window has a hole", where=f"fold {number}", remedy="use windows of adjoining rows"
                )
    for (_, before), (_, after) in pairwise(windows):
        if after[0] != before[-1] + 1:
            raise SpecificationError(
                "test windows overlap" if after[0] <= before[-1] else "rows between two test windows are not tested",
                where=f"{day(dates[before[-1]])} and {day(dates[after[0]])}",
                remedy="leave the splitter's step at its default, one test window, so that one history can be chained",
            )
