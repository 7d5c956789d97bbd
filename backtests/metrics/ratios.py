"""Reward against risk: Sharpe, Sortino, Calmar, win rate, profit factor, and a score made of four figures."""

from __future__ import annotations

import pandas as pd

from allocopt.backtests._checks import require_periods
from allocopt.backtests.metrics import _numbers
from allocopt.backtests.metrics._curve import read_active, read_curve, read_rates
from allocopt.backtests.metrics.drawdown import max_drawdown
from allocopt.backtests.metrics.growth import annual_return


def sharpe_ratio(
    equity: pd.Series[float], *, periods_per_year: float, cash_rate: float | pd.Series[float] = 0.0
) -> float:
    """Mean excess return per unit of its standard deviation, annualised.

    ``sqrt(P) mean(x) / std(x)`` with ``x_t = E_t / E_{t-1} - 1 - cash_rate / P`` and ddof 1.

    Parameters
    ----------
    equity : Series, shape (T,), T >= 2
        Money by row; the first value is the starting capital.
    periods_per_year : float
        P, the bars of one year.
    cash_rate : float or Series, default 0.0
        What cash would have earned, decimal per year, spread evenly over the bars of a year. A Series has the rows of
        `equity`: the rate on row t is that of the bar that ends at row t; row 0 ends none and may be missing.

    Returns
    -------
    float
        Per square root of a year. NaN for a single bar, and where the returns do not vary.

    Raises
    ------
    InputError, LabelError, ShapeError
        As in `total_return`; or `cash_rate` is missing on a row after the first, or has other rows.
    SpecificationError
        `periods_per_year` is not a positive number, or `cash_rate` is not a decimal per year.

    See Also
    --------
    sharpe_standard_error : how far it may be off.

    References
    ----------
    W. F. Sharpe, "The Sharpe Ratio", Journal of Portfolio Management 21 (1994), equations 3 to 6.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.metrics import sharpe_ratio
    >>> equity = pd.Series([100.0, 110.0, 121.0, 108.9], index=pd.date_range("2024-01-01", periods=4))
    >>> round(sharpe_ratio(equity, periods_per_year=12), 12)
    1.0
    """
    curve, periods = read_curve(equity), require_periods(periods_per_year)
    return _numbers.sharpe(curve.returns - read_rates(cash_rate, curve, periods), periods)


def sortino_ratio(
    equity: pd.Series[float], *, periods_per_year: float, cash_rate: float | pd.Series[float] = 0.0
) -> float:
    """Mean excess return per unit of downside deviation, annualised.

    ``sqrt(P) mean(x) / sqrt(mean(min(x, 0)^2))``: the mean square runs over *all* bars, those above zero counting as
    zero. Over the losing bars alone it would reward losing more often.

    Parameters
    ----------
    equity : Series, shape (T,), T >= 2
        Money by row; the first value is the starting capital.
    periods_per_year : float
        P, the bars of one year.
    cash_rate : float or Series, default 0.0
        The target return, decimal per year; as in `sharpe_ratio`.

    Returns
    -------
    float
        Per square root of a year. NaN if no bar is below the target: there is nothing to divide by.

    Raises
    ------
    InputError, LabelError, ShapeError, SpecificationError
        As in `sharpe_ratio`.

    References
    ----------
    F. A. Sortino and L. N. Price, "Performance Measurement in a Downside Risk Framework", Journal of Investing 3
    (1994).

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.metrics import sortino_ratio
    >>> equity = pd.Series([100.0, 120.0, 108.0, 108.0, 129.6], index=pd.date_range("2024-01-01", periods=5))
    >>> round(sortino_ratio(equity, periods_per_year=4), 12)  # mean 0.075, root mean square 0.05
    3.0
    """
    curve, periods = read_curve(equity), require_periods(periods_per_year)
    return _numbers.sortino(curve.returns - read_rates(cash_rate, curve, periods), periods)


def calmar_ratio(equity: pd.Series[float], *, periods_per_year: float) -> float:
    """Annual return over maximum drawdown.

    Parameters
    ----------
    equity : Series, shape (T,), T >= 2
        Money by row; the first value is the starting capital.
    periods_per_year : float
        The bars of one year, for `annual_return`.

    Returns
    -------
    float
        Per year. NaN if the account never falls.

    Raises
    ------
    InputError, LabelError, ShapeError, SpecificationError
        As in `annual_return`.

    Notes
    -----
    The whole curve counts. T. W. Young's original (Futures, 1991) looks at the last 36 months.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.metrics import calmar_ratio
    >>> equity = pd.Series([100.0, 75.0, 150.0], index=pd.date_range("2024-01-01", periods=3))
    >>> round(calmar_ratio(equity, periods_per_year=2), 12)
    2.0
    """
    return _numbers.ratio(annual_return(equity, periods_per_year=periods_per_year), max_drawdown(equity))


def win_rate(equity: pd.Series[float], active: pd.Series[bool] | None = None) -> float:
    """Share of bars with a return above zero: of all bars, or of those on which a position was held.

    Parameters
    ----------
    equity : Series, shape (T,), T >= 2
        Money by row; the first value is the starting capital.
    active : Series of bool, shape (T,), optional
        Whether a position was held over the bar that ends at the row. Row 0 ends no bar: its value counts in nothing
        and may be missing.

    Returns
    -------
    float
        A decimal from 0 to 1. A bar without a change is no win. NaN if no bar is active.

    Raises
    ------
    InputError, LabelError, ShapeError
        As in `total_return`; or `active` has other rows, or is not True or False on a row after the first.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.metrics import win_rate
    >>> days = pd.date_range("2024-01-01", periods=5)
    >>> equity = pd.Series([100.0, 101.0, 99.0, 99.0, 99.0], index=days)
    >>> active = pd.Series([False, True, True, False, False], index=days)
    >>> win_rate(equity), win_rate(equity, active)
    (0.25, 0.5)
    """
    curve = read_curve(equity)
    return _numbers.win_rate(curve.returns, None if active is None else read_active(active, curve))


def profit_factor(equity: pd.Series[float]) -> float:
    """Sum of the gains over the sum of the losses, both of the bars' returns.

    Parameters
    ----------
    equity : Series, shape (T,), T >= 2
        Money by row; the first value is the starting capital.

    Returns
    -------
    float
        Without unit, from 0 up; above 1 the mean return is positive. Infinite with gains and no loss, NaN with neither.

    Raises
    ------
    InputError, LabelError, ShapeError
        As in `total_return`.

    Notes
    -----
    It counts bars and weights them alike, whatever the account was worth. The profit factor of trade statistics counts
    trades.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.metrics import profit_factor
    >>> equity = pd.Series([100.0, 150.0, 112.5], index=pd.date_range("2024-01-01", periods=3))
    >>> profit_factor(equity)
    2.0
    """
    return _numbers.profit_factor(read_curve(equity).returns)


def balanced_performance_score(sharpe: float, cagr: float, win_rate: float, max_drawdown: float) -> float:
    """Weigh four figures into one: ``0.4 Sharpe + 0.3 CAGR + 0.2 win rate - 0.1 abs(max drawdown)``.

    The score of the sector-rotation studies (BPS). Its parts differ in unit and size, and the Sharpe ratio decides
    almost all of it: read it beside its parts.

    Parameters
    ----------
    sharpe : float
        Annualised Sharpe ratio.
    cagr : float
        Compound annual growth rate, decimal.
    win_rate : float
        Share of winning bars, decimal. `performance` uses that of all bars.
    max_drawdown : float
        Maximum drawdown as a decimal, of either sign.

    Returns
    -------
    float
        NaN if a part is NaN.

    Examples
    --------
    >>> from allocopt.backtests.metrics import balanced_performance_score
    >>> round(balanced_performance_score(1.0, 0.10, 0.50, 0.20), 12)
    0.51
    """
    return 0.4 * sharpe + 0.3 * cagr + 0.2 * win_rate - 0.1 * abs(max_drawdown)
