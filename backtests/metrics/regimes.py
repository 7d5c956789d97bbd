"""The same figures for the bars of each regime."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd

from allocopt.backtests._checks import require_periods
from allocopt.backtests.metrics._curve import (
    Curve,
    read_active,
    read_curve,
    read_rates,
    read_regimes,
    read_turnover,
)
from allocopt.backtests.metrics._figures import Figures, Given, measure
from allocopt.backtests.metrics.sharpe_error import require_hac


def regime_table(curve: Curve, given: Given, regimes: pd.Series[Any]) -> pd.DataFrame:
    """Table of `by_regime` from what has been read already."""
    codes, labels, first_labelled = read_regimes(regimes, curve)
    gains = np.diff(curve.values)
    rows = [np.flatnonzero(codes == code) for code in range(len(labels))]
    measured = [measure(curve, given, chosen) for chosen in rows]
    columns: dict[Hashable, list[Any]] = {
        item.name: [getattr(m, item.name) for m in measured] for item in fields(Figures)
    }
    asked = {name: column for name, column in columns.items() if column[0] is not None}
    table = pd.DataFrame(asked, index=pd.Index(labels, name="regime"))
    table.insert(1, "share_of_bars", [len(chosen) / codes.size for chosen in rows])
    table.insert(2, "pnl", [float(gains[chosen].sum()) for chosen in rows])
    for names, dtype in ((_DATES, curve.dates.dtype), (_TIMES, f"timedelta64[{curve.dates.unit}]")):
        for name in names:
            table[name] = pd.Series(columns[name], index=table.index, dtype=dtype)
    table.attrs["rows_without_regime"] = 0 if first_labelled else 1
    return table


_DATES = [item.name for item in fields(Figures) if item.name.endswith(("_peak", "_trough", "_recovery"))]
_TIMES = ["recovery_time", "longest_drawdown"]


def by_regime(
    equity: pd.Series[float],
    regimes: pd.Series[Any],
    *,
    periods_per_year: float,
    active: pd.Series[bool] | None = None,
    turnover: pd.Series[float] | None = None,
    cash_rate: float | pd.Series[float] = 0.0,
    hac_lags: int | None = None,
    standard_error: bool = True,
) -> pd.DataFrame:
    """Measure the bars of each regime by themselves.

    A regime's bars are joined end to end into the curve of an account that starts with the same capital, holds the
    strategy on these bars, and stands still between them. Growth and drawdowns are those of that account: a drawdown
    may begin in one spell of the regime and end in a later one, and what other regimes lost or won is not in it.

    Parameters
    ----------
    equity : Series, shape (T,), T >= 2
        Money by row; the first value is the starting capital.
    regimes : Series, shape (T,)
        Label of each row, of any kind, *already aligned to the row whose return it governs*
        (`allocopt.backtests.accounting.in_force` does it). Nothing is moved here. Row 0 ends no bar: its label counts
        in nothing and may be missing; a label missing on a later row is an error.
    periods_per_year : float
        The bars of one year.
    active, turnover, cash_rate, hac_lags, standard_error
        As in `performance`. Lags are distances in rows of the whole curve, not in bars of the regime.

    Returns
    -------
    DataFrame, one row per regime that has a bar, in the order of the labels
        ``bars``; ``share_of_bars``; ``pnl``, the money gained on the regime's bars of the real curve; and the figures
        of `performance` from ``total_return`` to ``bps`` under their names there, without those that were not asked
        for. A year is `periods_per_year` of the regime's own bars, and for ``cagr`` 365.25 days of the time that its
        bars cover. ``attrs["rows_without_regime"]`` counts the missing labels (row 0: 0 or 1).

    Raises
    ------
    InputError
        A regime is missing on a row after the first (its date); or as in `performance`.
    LabelError, ShapeError, SpecificationError
        As in `performance`.

    Notes
    -----
    The parts make the whole: the ``bars`` add up to T - 1, the ``pnl`` to the gain of the account, and the product of
    ``1 + total_return`` is its growth. The standard error treats the bars of other regimes as gaps: their terms are
    zero in the covariance, and distances in time are kept.

    References
    ----------
    D. D. Datta and W. Du, "Nonparametric HAC Estimation for Time Series Data with Missing Observations", Federal
    Reserve IFDP 1060 (2012): the amplitude-modulated estimator.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.metrics import by_regime
    >>> days = pd.date_range("2024-01-01", periods=5)
    >>> equity = pd.Series([100.0, 110.0, 88.0, 110.0, 121.0], index=days)
    >>> regimes = pd.Series([None, "calm", "storm", "storm", "calm"], index=days)
    >>> table = by_regime(equity, regimes, periods_per_year=252, standard_error=False)
    >>> table[["bars", "pnl", "total_return", "max_drawdown", "win_rate_all"]].round(6).rename_axis(None)
           bars   pnl  total_return  max_drawdown  win_rate_all
    calm      2  21.0          0.21           0.0           1.0
    storm     2   0.0          0.00           0.2           0.5
    """
    curve, periods = read_curve(equity), require_periods(periods_per_year)
    given = Given(
        periods_per_year=periods,
        cash=read_rates(cash_rate, curve, periods),
        lags=require_hac(hac_lags, standard_error, curve.returns.size),
        active=None if active is None else read_active(active, curve),
        turnover=None if turnover is None else read_turnover(turnover, curve),
    )
    return regime_table(curve, given, regimes)
