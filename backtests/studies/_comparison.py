"""Decisions by date from whatever a strategy returns, and where two tables of them differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocopt.backtests._checks import require_dates, require_same_clock
from allocopt.errors import ShapeError

#: Written where one table of decisions has no such row or column.
ABSENT = "absent"


@dataclass(frozen=True, eq=False)
class Change:
    """The first difference in a column of decisions, and how many there are."""

    row: Any
    column: Any
    before: object
    after: object
    count: int


def labelled(decisions: object, clock: pd.DatetimeIndex, alike: bool) -> pd.DataFrame:
    """Decisions as a table by date; a Series becomes the column None.

    ``alike`` says whether all tables of the data have the rows of the clock, so that an array can have them too.
    """
    if isinstance(decisions, np.ndarray):
        if not alike:
            raise ShapeError(
                "decisions are an array, and the tables of the data have different dates",
                value=decisions.shape,
                remedy="return a DataFrame or a Series with dates",
            )
        if decisions.ndim not in (1, 2) or decisions.shape[0] != len(clock):
            raise ShapeError(
                "decisions are not one row for each row of the data",
                value=decisions.shape,
                remedy=f"return an array of {len(clock)} rows, or a DataFrame with dates",
            )
        columns = [None] if decisions.ndim == 1 else list(range(decisions.shape[1]))
        return pd.DataFrame(decisions.reshape(len(clock), -1), index=clock, columns=pd.Index(columns, dtype=object))
    if isinstance(decisions, pd.Series):
        frame = pd.DataFrame({"": decisions})
        frame.columns = pd.Index([None], dtype=object)
    elif isinstance(decisions, pd.DataFrame):
        frame = decisions
    else:
        raise ShapeError(
            "decisions are no table",
            value=type(decisions).__name__,
            remedy="return a DataFrame, a Series or an array from decide, such as the weights of an allocation",
        )
    require_same_clock(clock, require_dates(frame.index, "the table of decisions"), "decisions and data")
    if not frame.columns.is_unique:
        raise ShapeError("decisions have a column twice", value=list(frame.columns), remedy="name columns apart")
    return frame


def compare_until(one: pd.DataFrame, other: pd.DataFrame, cut: pd.Timestamp, rtol: float, atol: float) -> list[Change]:
    """Find changes at or before the cut, one for each column that has any."""
    return _compare(one.loc[one.index <= cut], other.loc[other.index <= cut], rtol, atol)


def differ_after(one: pd.DataFrame, other: pd.DataFrame, cut: pd.Timestamp) -> bool:
    """Whether any decision after the cut differs."""
    return bool(_compare(one.loc[one.index > cut], other.loc[other.index > cut], 0.0, 0.0))


def _compare(one: pd.DataFrame, other: pd.DataFrame, rtol: float, atol: float) -> list[Change]:
    rows = one.index if one.index.equals(other.index) else one.index.union(other.index)
    columns = [*one.columns, *(column for column in other.columns if column not in one.columns)]
    found = []
    for column in columns:
        first, second = (_cells(frame, column, rows) for frame in (one, other))
        changed = first[1] != second[1]
        both = first[1] & second[1]
        changed[both] = _unequal(first[0][both], second[0][both], rtol, atol)
        places = np.flatnonzero(changed)
        if places.size:
            place = int(places[0])
            before, after = (cells[place] if there[place] else ABSENT for cells, there in (first, second))
            found.append(Change(rows[place], column, before, after, places.size))
    return found


def _cells(frame: pd.DataFrame, column: Any, rows: pd.Index) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Cells of a column on these rows, floats where it is numeric, and whether there is one at all."""
    there = np.zeros(len(rows), dtype=np.bool_)
    labels = list(frame.columns)
    if column not in labels:
        return np.full(len(rows), np.nan), there
    values: Any = frame.iloc[:, labels.index(column)]
    if values.dtype.kind in "fiu":
        known = values.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        known = values.to_numpy(dtype=object)
    places = rows.get_indexer(frame.index)
    cells: NDArray[Any] = np.full(len(rows), np.nan, dtype=known.dtype)
    there[places], cells[places] = True, known
    return cells, there


def _unequal(one: NDArray[Any], other: NDArray[Any], rtol: float, atol: float) -> NDArray[np.bool_]:
    missing, lacking = pd.isna(one), pd.isna(other)
    if one.dtype == other.dtype == np.float64:
        with np.errstate(invalid="ignore"):  # infinite minus infinite
            near = np.isfinite(one) & (np.abs(one - other) <= atol + rtol * np.abs(one))
        found: NDArray[np.bool_] = (one != other) & ~near & ~(missing & lacking)
        return found
    found = missing != lacking
    both = np.flatnonzero(~(missing | lacking))
    found[both] = [not bool(a == b) for a, b in zip(one[both], other[both], strict=True)]
    return found
