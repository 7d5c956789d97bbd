"""Closes at regular bars from closes with gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day, plain, require_dates, require_kind
from allocopt.backtests.trend_basket.specification import require_bar
from allocopt.errors import InputError, LabelError, ShapeError


@dataclass(frozen=True, eq=False)
class RegularCloses:
    """One close a bar, and which of them were filled.

    Attributes
    ----------
    closes : DataFrame, shape (T, n)
        Complete; a bar without a close has the last one before it.
    filled : DataFrame of bool, shape (T, n)
        Where that was done.
    """

    closes: pd.DataFrame
    filled: pd.DataFrame

    @property
    def counts(self) -> pd.Series[int]:
        """Number of filled bars by coin."""
        return self.filled.sum().rename("filled bars")


def regular_closes(closes: pd.DataFrame, bar: str = "1h") -> RegularCloses:
    """Put closes on a complete grid of bars, carrying the last one over each gap, and say where.

    Parameters
    ----------
    closes : DataFrame, shape (R, n)
        Close of each coin, ascending by date; bars may be missing, as rows or as NaN.
    bar : str, default "1h"
        Distance of the grid, from the first row on.

    Returns
    -------
    RegularCloses

    Raises
    ------
    LabelError
        For a row that is not on the grid.
    InputError
        For a coin without a close on the first row: there is nothing to carry.

    Examples
    --------
    >>> import pandas as pd
    >>> hours = pd.to_datetime(["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 03:00"])
    >>> found = regular_closes(pd.DataFrame({"BTC": [1.0, 2.0, 4.0]}, index=hours))
    >>> found.closes["BTC"].tolist(), found.counts.to_dict()
    ([1.0, 2.0, 2.0, 4.0], {'BTC': 1})
    """
    require_kind(closes, pd.DataFrame, "the table of closes")
    dates = require_dates(closes.index, "the table of closes")
    if len(dates) == 0:
        raise ShapeError("the table of closes is empty", value=closes.shape, remedy="give at least one row")
    require_bar(bar)
    grid = pd.date_range(dates[0], dates[-1], freq=pd.Timedelta(bar), name=dates.name)
    off = ~dates.isin(grid)
    if off.any():
        raise LabelError(
            f"a close is not on the grid of bars of {bar}",
            where=day(dates[int(off.argmax())]),
            remedy="give closes of one bar length, or another bar",
        )
    on_grid = closes.reindex(grid)
    if on_grid.iloc[0].isna().any():
        raise InputError(
            "a coin has no close on the first row",
            where=f"{day(grid[0])}, coin {plain(closes.columns[int(np.argmax(on_grid.iloc[0].isna()))])!r}",
            remedy="start on the first row that has all of them",
        )
    return RegularCloses(on_grid.ffill(), on_grid.isna())
