"""Windows that are counted in rows: rolling and expanding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from allocopt.backtests._checks import require_option
from allocopt.backtests.splitters.splitter import Incomplete, Positions, dropped_rows, require_rows, rows_of, too_short
from allocopt.errors import ShapeError


@dataclass(frozen=True)
class Rolling:
    """Train on a window of fixed length, test on the rows that follow it, and move both forward.

    Fold k trains on the rows ``[s, s + train)`` and tests on ``[s + train + gap, s + train + gap + test)`` with
    ``s = warm_up + k step``. The gap is beside the train rows, not cut from them.

    Parameters
    ----------
    train, test : int
        Rows of a train and of a test window, at least 1.
    step : int, optional
        Rows from one fold to the next. Default: ``test``, so that the test windows adjoin.
    lag : int, default 1
        Rows from a decision to the period that it earns, at least 1; as in the accounting.
    horizon : int, default 0
        Longest look-ahead of a label, in rows: 0 where a row's label is its own return, 20 for the sum of the next 20.
    gap : int, optional
        Rows dropped between train and test. Default: ``lag + horizon``, all that the last train label reaches over.
    incomplete : {"raise", "keep", "drop"}
        What to do with a last test window that the index ends in: an error, a short window, or rows that are not
        tested.
    warm_up : int, default 0
        First rows that are in no window, so that a study can fill its look-back windows.

    Raises
    ------
    SpecificationError
        For a setting outside its range.
    ShapeError
        When splitting: the index holds no fold, or its last test window is incomplete and nothing says what to do.
    LabelError
        When splitting: dates do not ascend, or are there twice.

    Examples
    --------
    >>> for train, test in Rolling(train=4, test=2).split(range(9)):
    ...     print(train, test)
    [0 1 2 3] [5 6]
    [2 3 4 5] [7 8]
    """

    train: int
    test: int
    step: int | None = None
    lag: int = 1
    horizon: int = 0
    gap: int | None = None
    incomplete: Incomplete = "raise"
    warm_up: int = 0

    def __post_init__(self) -> None:
        _require(self)

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Positions, Positions]]:
        """Yield train and test positions, fold by fold; ``y`` and ``groups`` are not used."""
        for start, test in _tests(self, rows_of(X)):
            yield np.arange(start, start + self.train), test

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Count the folds, which depends on the rows of ``X``."""
        return len(_tests(self, rows_of(X)))


@dataclass(frozen=True)
class Expanding:
    """Train on all rows so far, test on the rows that follow, and move on.

    Fold k trains on the rows ``[warm_up, s)`` and tests on ``[s + gap, s + gap + test)`` with
    ``s = warm_up + train + k step``. With as many rows as fill the last window, the folds are those of scikit-learn's
    ``TimeSeriesSplit`` with the same ``gap`` and ``test_size``.

    Parameters
    ----------
    train : int
        Rows of the first train window, at least 1.
    test : int
        Rows of a test window, at least 1.
    step, lag, horizon, gap, incomplete, warm_up
        As for `Rolling`.

    Raises
    ------
    SpecificationError, ShapeError, LabelError
        As for `Rolling`.

    Examples
    --------
    >>> for train, test in Expanding(train=4, test=2).split(range(9)):
    ...     print(train, test)
    [0 1 2 3] [5 6]
    [0 1 2 3 4 5] [7 8]
    """

    train: int
    test: int
    step: int | None = None
    lag: int = 1
    horizon: int = 0
    gap: int | None = None
    incomplete: Incomplete = "raise"
    warm_up: int = 0

    def __post_init__(self) -> None:
        _require(self)

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Positions, Positions]]:
        """Yield train and test positions, fold by fold; ``y`` and ``groups`` are not used."""
        for start, test in _tests(self, rows_of(X)):
            yield np.arange(self.warm_up, start + self.train), test

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Count the folds, which depends on the rows of ``X``."""
        return len(_tests(self, rows_of(X)))


def _require(splitter: Rolling | Expanding) -> None:
    require_rows(splitter.train, "train", 1)
    require_rows(splitter.test, "test", 1)
    if splitter.step is not None:
        require_rows(splitter.step, "step", 1)
    require_rows(splitter.warm_up, "warm_up", 0)
    dropped_rows(splitter.lag, splitter.horizon, splitter.gap, "gap")
    require_option(splitter.incomplete, get_args(Incomplete), "incomplete")


def _tests(splitter: Rolling | Expanding, rows: int) -> list[tuple[int, Positions]]:
    """First row of the rolling train window, and the test rows, of every fold."""
    gap = dropped_rows(splitter.lag, splitter.horizon, splitter.gap, "gap")
    step = splitter.test if splitter.step is None else splitter.step
    found: list[tuple[int, Positions]] = []
    start, covered = splitter.warm_up, 0
    while covered < rows:
        first = start + splitter.train + gap
        last = first + splitter.test
        if first >= rows:
            break
        if last > rows and splitter.incomplete == "raise":
            raise ShapeError(
                f"the last test window has {rows - first} of {splitter.test} rows",
                where=f"fold {len(found)}, rows {first} to {rows - 1} of {rows}",
                remedy='say incomplete="keep" for a short window, or incomplete="drop" to leave its rows untested',
            )
        if last > rows and splitter.incomplete == "drop":
            break
        found.append((start, np.arange(first, min(last, rows))))
        start, covered = start + step, last
    if not found:
        wanted = splitter.warm_up + splitter.train + gap + (1 if splitter.incomplete == "keep" else splitter.test)
        words = f"{splitter.train} rows to train, {gap} between, {splitter.test} to test"
        raise too_short(rows, wanted, words + (f" and {splitter.warm_up} of warm-up" if splitter.warm_up else ""))
    return found
