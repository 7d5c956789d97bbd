"""What every splitter has, and how it reads what it is given to split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.backtests._checks import plain, require_dates
from allocopt.errors import LabelError, ShapeError, SpecificationError

#: Positions of rows, ascending.
Positions = npt.NDArray[np.intp]

#: What becomes of a last test window that the index ends in the middle of.
Incomplete = Literal["raise", "keep", "drop"]


@runtime_checkable
class Splitter(Protocol):
    """Anything with ``split`` and ``get_n_splits`` in the manner of scikit-learn, whose own splitters are such things.

    Examples
    --------
    >>> from allocopt.backtests.splitters import Rolling
    >>> isinstance(Rolling(train=4, test=2), Splitter)
    True
    """

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Positions, Positions]]:
        """Yield the positions of the train rows and of the test rows, one pair a fold."""
        ...

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Count the folds."""
        ...


def rows_of(X: object) -> int:
    """Count the rows of what is to be split; dates, where it has them, must ascend and be there once each."""
    index = index_of(X)
    if isinstance(index, pd.MultiIndex):
        raise LabelError(
            "rows are labelled by several levels, and rows of one date would be torn apart",
            value=list(index.names),
            remedy="split the dates alone, for example index.get_level_values('date').unique()",
        )
    if isinstance(index, pd.DatetimeIndex):
        require_dates(index, "what is to be split")
    if index is not None:
        return len(index)
    shape = getattr(X, "shape", None)
    if isinstance(shape, tuple) and shape:
        return int(shape[0])
    try:
        return len(X)  # type: ignore[arg-type]
    except TypeError:
        raise ShapeError(
            "what is to be split has no rows", value=type(X).__name__, remedy="pass an index, a table or an array"
        ) from None


def index_of(X: object) -> pd.Index | None:
    """Give the index of a table, or the index that was passed itself; None for arrays and lists."""
    if isinstance(X, pd.Index):
        return X
    return X.index if isinstance(X, (pd.DataFrame, pd.Series)) else None


def require_rows(value: object, what: str, least: int) -> int:
    """Return a number of rows; a `SpecificationError` for anything else or less."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise SpecificationError(
            f"{what} is no number of rows", value=plain(value), remedy=f"give a whole number from {least} up"
        )
    return int(value)


def dropped_rows(lag: int, horizon: int, given: int | None, what: str) -> int:
    """Rows that are dropped beside a test window: as given, or all that a label reaches over."""
    reach = require_rows(lag, "lag", 1) + require_rows(horizon, "horizon", 0)
    return reach if given is None else require_rows(given, what, 0)


def too_short(rows: int, wanted: int, words: str) -> ShapeError:
    """Build the error for an index that holds no fold."""
    return ShapeError(
        f"the index is too short for one fold, which takes {words}",
        value=f"{rows} rows",
        remedy=f"give at least {wanted} rows, or smaller windows",
    )
