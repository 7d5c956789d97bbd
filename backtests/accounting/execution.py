"""The one place that shifts: from the row on which something is decided to the row whose return it earns."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day, plain, require_dates, require_kind, require_numbers
from allocopt.errors import InputError, ShapeError, SpecificationError

Labelled = TypeVar("Labelled", pd.DataFrame, "pd.Series[Any]")


def require_lag(lag: object, name: str = "lag") -> int:
    """Return the lag if it is a whole number of rows of at least 1; a `SpecificationError` otherwise."""
    if isinstance(lag, bool) or not isinstance(lag, (int, np.integer)) or lag < 1:
        raise SpecificationError(
            f"{name} is not a whole number of rows of at least 1",
            value=plain(lag),
            remedy=f"use {name}=1 for a fill at the close of the deciding row, more for later fills",
        )
    return int(lag)


def in_force(values: Labelled, lag: int = 1) -> Labelled:
    """Align what was known on the deciding row (a regime, a signal) with the row that it governs.

    Parameters
    ----------
    values : DataFrame or Series, shape (T, ...)
        One value a row, known at the close of that row. Rows ascending by date.
    lag : int, default 1
        Rows from the decision to the period that it governs, at least 1.

    Returns
    -------
    DataFrame or Series
        ``values`` of row ``t - lag`` on row t; missing in the first ``lag`` rows, where nothing was decided. Whole
        numbers and truth values stay what they are, in pandas' nullable types.

    Raises
    ------
    SpecificationError
        For a lag below 1.
    LabelError
        For an index that is no ascending index of dates.

    Examples
    --------
    >>> import pandas as pd
    >>> regimes = pd.Series([1, 1, 4], index=pd.date_range("2024-01-01", periods=3))
    >>> in_force(regimes).tolist()
    [<NA>, 1, 1]
    """
    if not isinstance(values, (pd.DataFrame, pd.Series)):
        raise ShapeError(
            "what was decided is no Series and no DataFrame",
            value=type(values).__name__,
            remedy="give it with its index of dates",
        )
    require_dates(values.index, "what was decided")
    return _nullable(values).shift(require_lag(lag))


def _nullable(values: Labelled) -> Labelled:
    """Whole numbers and truth values in types that can be missing: a regime 1 is not to become 1.0."""
    nullable = {"i": "Int64", "u": "UInt64", "b": "boolean"}
    if isinstance(values, pd.Series):
        kind = nullable.get(values.dtype.kind) if isinstance(values.dtype, np.dtype) else None
        return values if kind is None else values.astype(pd.api.types.pandas_dtype(kind))
    kinds = {
        name: nullable[dtype.kind]
        for name, dtype in values.dtypes.items()
        if isinstance(dtype, np.dtype) and dtype.kind in nullable
    }
    return values.astype(kinds) if kinds else values


def executed_weights(decided: pd.DataFrame, lag: int = 1) -> pd.DataFrame:
    """Move decided weights to the rows whose return they earn.

    What is decided with information up to row t earns the return from row t to row t+1 (``lag=1``), or a later one.

    Parameters
    ----------
    decided : DataFrame, shape (T, n)
        Weights by row and sleeve, decimal fractions of capital. Rows ascending by date, every cell finite.
    lag : int, default 1
        Rows from the decision to the period that it earns, at least 1.

    Returns
    -------
    DataFrame, shape (T, n)
        Zero in the first ``lag`` rows: before the first decision takes effect all is cash.

    Raises
    ------
    SpecificationError
        For a lag below 1.
    InputError, LabelError, ShapeError
        For weights that are missing or infinite, or not labelled by ascending dates.

    Examples
    --------
    >>> import pandas as pd
    >>> decided = pd.DataFrame({"BTC": [0.5, 0.25, 0.0]}, index=pd.date_range("2024-01-01", periods=3))
    >>> executed_weights(decided)["BTC"].tolist()
    [0.0, 0.5, 0.25]
    """
    require_kind(decided, pd.DataFrame, "the decided weights")
    require_dates(decided.index, "the table of decided weights")
    finite_table(decided, "decided weight")
    return decided.shift(require_lag(lag), fill_value=0.0)


def simple_returns(prices: pd.DataFrame) -> pd.DataFrame:
    """Return of each sleeve over each row: ``P_t / P_{t-1} - 1``.

    Parameters
    ----------
    prices : DataFrame, shape (T, n)
        Positive prices by row and sleeve, rows ascending by date.

    Returns
    -------
    DataFrame, shape (T, n)
        Decimal returns per row. Row 0 ends no period and is 0.0.

    Raises
    ------
    InputError, LabelError, ShapeError
        For a price that is missing, infinite or not positive (its date and sleeve), or an index without order.

    Examples
    --------
    >>> import pandas as pd
    >>> prices = pd.DataFrame({"BTC": [100.0, 110.0, 99.0]}, index=pd.date_range("2024-01-01", periods=3))
    >>> simple_returns(prices)["BTC"].round(12).tolist()
    [0.0, 0.1, -0.1]
    """
    require_kind(prices, pd.DataFrame, "the price table")
    require_dates(prices.index, "the price table")
    values = finite_table(prices, "price")
    if not (values > 0.0).all():
        row, column = np.argwhere(~(values > 0.0))[0].tolist()
        raise InputError(
            "a price is not positive",
            where=f"{day(prices.index[row])}, sleeve {plain(prices.columns[column])!r}",
            value=float(values[row, column]),
            remedy="mend the price",
        )
    returns = np.zeros_like(values)
    np.divide(values[1:], values[:-1], out=returns[1:])
    returns[1:] -= 1.0
    return pd.DataFrame(returns, index=prices.index, columns=prices.columns)


def finite_table(frame: pd.DataFrame, what: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Numbers of a table, C-ordered; an `InputError` names the first cell that is missing, infinite or no number."""
    if frame.shape[0] == 0 or frame.shape[1] == 0:
        raise ShapeError(f"the table of {what}s is empty", value=frame.shape, remedy="give at least one row and sleeve")
    if all(dtype.kind in "fiu" for dtype in frame.dtypes):
        values = np.ascontiguousarray(frame.to_numpy(dtype=np.float64))
    else:
        columns = [require_numbers(frame.iloc[:, i], f"{what} of {name!r}") for i, name in enumerate(frame.columns)]
        values = np.column_stack(columns)
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0].tolist()
        raise InputError(
            f"{what} is missing or infinite",
            where=f"{day(frame.index[row])}, sleeve {plain(frame.columns[column])!r}",
            value=float(values[row, column]),
            remedy=f"mend the {what}, or start later",
        )
    return values
