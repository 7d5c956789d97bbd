"""The rows of a study's data, and the data up to one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from allocopt.backtests._checks import require_dates
from allocopt.backtests.studies._perturbations import tables_of, union_of
from allocopt.errors import SpecificationError


@runtime_checkable
class Until(Protocol):
    """Data that can be cut: it has the rows up to and including a date."""

    def until(self, date: pd.Timestamp) -> Any:
        """Give the data as it was known at the close of that date."""
        ...


def rows_of_data(data: object, dates: pd.DatetimeIndex | None) -> pd.DatetimeIndex:
    """Dates that the positions of a splitter count: as given, or those of the data."""
    if dates is not None:
        return require_dates(dates, "dates")
    if isinstance(data, (pd.DataFrame, pd.Series)):
        return require_dates(data.index, "the data")
    if isinstance(data, Mapping):
        return union_of(tables_of(data))
    for name in ("dates", "index"):
        index = getattr(data, name, None)
        if isinstance(index, pd.DatetimeIndex):
            return require_dates(index, "the data")
    raise SpecificationError(
        "the data does not say which rows it has", value=type(data).__name__, remedy="pass dates=, a DatetimeIndex"
    )


def span(dates: pd.DatetimeIndex, low: int, high: int) -> pd.DatetimeIndex:
    """Give the dates of rows ``low`` to ``high`` inclusive; cells of one fold get the same object, checked once."""
    for whole, first, last, found in _SPANS:
        if whole is dates and first == low and last == high:
            return found
    found = dates[low : high + 1]
    _SPANS[:] = [(dates, low, high, found), *_SPANS[:5]]
    return found


#: The last few spans.
_SPANS: list[tuple[pd.DatetimeIndex, int, int, pd.DatetimeIndex]] = []


def until(data: Any, date: pd.Timestamp) -> Any:
    """Cut the data after a date. What is left is what a study may see on it."""
    if isinstance(data, (pd.DataFrame, pd.Series)):
        return data.iloc[: int(data.index.searchsorted(date, side="right"))]
    if isinstance(data, Mapping):
        return {name: until(table, date) for name, table in data.items()}
    if isinstance(data, Until):
        return data.until(date)
    raise SpecificationError(
        "the data cannot be cut at a date",
        value=type(data).__name__,
        remedy="give tables by date, a mapping of them, or an object with until(date)",
    )
