"""Portfolio P&L from the P&L of one unit of each sleeve, and what the portfolio held over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocopt.backtests._checks import require_dates, require_kind
from allocopt.backtests.accounting import executed_weights
from allocopt.backtests.accounting.execution import finite_table
from allocopt.errors import LabelError


@dataclass(frozen=True, eq=False)
class PortfolioPnl:
    """P&L of a portfolio by row and sleeve, in the unit of the P&L it was made from.

    Parameters
    ----------
    by_sleeve : DataFrame, shape (T, n)
        P&L of each sleeve over each row.
    total : Series, shape (T,)
        Their sum on each row.
    executed : DataFrame, shape (T, n)
        Weights that earned it.
    lag : int
        Rows from the decision to the period that it earns.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.portfolio import aggregate_pnl
    >>> days = pd.bdate_range("2024-01-01", periods=3)
    >>> weights = pd.DataFrame({"P1": [0.4, 0.0, 0.0], "P2": [0.4, 0.4, 0.0]}, index=days)
    >>> pnl = pd.DataFrame({"P1": [5.0, 10.0, 7.0], "P2": [5.0, -20.0, 30.0]}, index=days)
    >>> aggregate_pnl(weights, pnl).by_sleeve.to_numpy().tolist()
    [[0.0, 0.0], [4.0, -8.0], [0.0, 12.0]]
    """

    by_sleeve: pd.DataFrame
    total: pd.Series[float]
    executed: pd.DataFrame
    lag: int


def aggregate_pnl(weights: pd.DataFrame, pnl: pd.DataFrame, lag: int = 1) -> PortfolioPnl:
    """Weigh the P&L of each sleeve by what was decided before it: ``total_t = sum_i w_{t-lag,i} pnl_{t,i}``.

    Parameters
    ----------
    weights : DataFrame, shape (T, n)
        Decided weights, decimal fractions of capital. They scale capital, not contracts: see `pnl`.
    pnl : DataFrame, shape (T, n)
        P&L of each sleeve over each row when the whole capital is in it, in money, or as a decimal return on it. For an
        option profile that is the P&L of one unit, divided by the capital that the unit is funded with, times the
        portfolio's capital.
    lag : int, default 1
        Rows from the decision to the period that it earns, at least 1.

    Returns
    -------
    PortfolioPnl
        By row and sleeve, and by row. Nothing is earned in the first `lag` rows.

    Raises
    ------
    InputError
        A weight or a P&L is missing or infinite (its date and sleeve).
    LabelError, ShapeError
        The tables differ in their labels, are empty or are not indexed by increasing dates.
    SpecificationError
        `lag` is below 1.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.portfolio import aggregate_pnl
    >>> days = pd.bdate_range("2024-01-01", periods=3)
    >>> weights = pd.DataFrame({"P1": [0.4, 0.0, 0.0], "P2": [0.4, 0.4, 0.0]}, index=days)
    >>> pnl = pd.DataFrame({"P1": [5.0, 10.0, 7.0], "P2": [5.0, -20.0, 30.0]}, index=days)
    >>> aggregate_pnl(weights, pnl).total.tolist()
    [0.0, -4.0, 12.0]
    """
    executed = executed_weights(weights, lag)
    require_kind(pnl, pd.DataFrame, "the table of P&L")
    require_dates(pnl.index, "the table of P&L")
    earned = finite_table(pnl, "P&L")
    if not (pnl.index.equals(weights.index) and pnl.columns.equals(weights.columns)):
        raise LabelError(
            "weights and P&L differ in their dates or sleeves",
            value=(weights.shape, pnl.shape),
            remedy="give both the same index and columns in the same order",
        )
    values = executed.to_numpy(dtype=np.float64) * earned
    return PortfolioPnl(
        by_sleeve=pd.DataFrame(values, index=pnl.index, columns=pnl.columns),
        total=pd.Series(values.sum(axis=1), index=pnl.index, name="pnl"),
        executed=executed,
        lag=lag,
    )


def exposure_over_time(executed: pd.DataFrame) -> pd.DataFrame:
    """Sum up what was held on each row: gross, net, cash and the number of sleeves.

    Parameters
    ----------
    executed : DataFrame, shape (T, n)
        Executed weights, decimal fractions of capital, such as ``ledger.executed``. Decided weights do as well: the
        rows are then those of the decision.

    Returns
    -------
    DataFrame, shape (T, 4)
        ``gross``: sum of the absolute weights. ``net``: their sum. ``cash``: 1 - net, below zero where it is borrowed.
        ``held``: number of sleeves whose weight is not zero.

    Raises
    ------
    InputError
        A weight is missing or infinite (its date and sleeve).
    LabelError, ShapeError
        The table is empty or not indexed by increasing dates.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.portfolio import exposure_over_time
    >>> executed = pd.DataFrame({"A": [0.0, 1.0], "B": [0.5, -0.25]}, index=pd.bdate_range("2024-01-01", periods=2))
    >>> print(exposure_over_time(executed).to_string(index=False))
     gross  net  cash  held
      0.50 0.50  0.50     1
      1.25 0.75  0.25     2
    """
    require_kind(executed, pd.DataFrame, "the table of executed weights")
    require_dates(executed.index, "the table of executed weights")
    weights = finite_table(executed, "executed weight")
    net = weights.sum(axis=1)
    return pd.DataFrame(
        {"gross": np.abs(weights).sum(axis=1), "net": net, "cash": 1.0 - net, "held": (weights != 0.0).sum(axis=1)},
        index=executed.index,
    )
