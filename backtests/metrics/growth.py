"""How much an account grew, how fast, and how unsteadily."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day, plain, require_dates, require_kind, require_numbers, require_periods
from allocopt.backtests.metrics._curve import read_curve
from allocopt.backtests.metrics._numbers import deviation, growth_rate
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError


def equity_curve(
    returns: pd.Series[float], *, capital: float = 1.0, start: str | dt.date | np.datetime64 | None = None
) -> pd.Series[float]:
    """Compound a stream of returns to the equity curve that the other functions take.

    ``E_t = capital (1 + r_1) ... (1 + r_t)``, the value of an account that reinvests everything.

    Parameters
    ----------
    returns : Series, shape (T,)
        Simple returns by row as decimals (0.01 for one percent), each over the period that ends at its row.
    capital : float, default 1.0
        Money on the first row, above 0.
    start : date, optional
        Date of the first row, before that of the first return: the result has T + 1 rows. Without it the first return
        has to be 0.0, as in a ledger, where row 0 ends no period: the result has T rows.

    Returns
    -------
    Series, shape (T,) or (T + 1,)
        Money by row, named ``equity``.

    Raises
    ------
    InputError
        A return is missing, infinite, or -1 and below (its date); or the product exceeds the largest float.
    LabelError, ShapeError
        The returns are not a Series with rows by ascending dates; `start` is not before them, or differs in time zone.
    SpecificationError
        `capital` is not a positive number, or `start` is left out although the first return is not zero.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.metrics import equity_curve
    >>> returns = pd.Series([0.10, -0.50], index=pd.to_datetime(["2024-01-03", "2024-01-04"]))
    >>> equity_curve(returns, capital=1000.0, start="2024-01-02").round(9).tolist()
    [1000.0, 1100.0, 550.0]
    """
    require_kind(returns, pd.Series, "the stream of returns")
    dates = require_dates(returns.index, "the stream of returns")
    values = require_numbers(returns, "return")
    if not values.size:
        raise ShapeError("the stream of returns is empty", value=returns.shape, remedy="give at least one return")
    good = (values > -1.0) & (values < math.inf)
    if not good.all():
        row = int(np.argmin(good))
        value = float(values[row])
        lost = value <= -1.0 and math.isfinite(value)
        raise InputError(
            "a return loses the whole account" if lost else "a return is missing or infinite",
            where=day(dates[row]),
            value=value,
            remedy="end the stream before it, or mend it: returns are decimals, -0.02 for a loss of two percent",
        )
    number = isinstance(capital, (int, float, np.integer, np.floating)) and not isinstance(capital, bool)
    if not number or not 0.0 < capital < math.inf:
        raise SpecificationError("capital is not a positive number", value=plain(capital), remedy="give money above 0")
    if start is None:
        if values[0] != 0.0:
            raise SpecificationError(
                "the first return needs a row before it",
                where=day(dates[0]),
                value=float(values[0]),
                remedy="pass start=, the date on which the account held its capital",
            )
    else:
        first = _first_row(start, dates)
        dates = pd.DatetimeIndex(pd.DatetimeIndex([first]).append(dates))
        values = np.concatenate(([0.0], values))
    with np.errstate(over="ignore"):
        money = float(capital) * np.cumprod(1.0 + values)
    good = (money > 0.0) & (money < math.inf)
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(
            "the compounded returns leave the range of floats",
            where=day(dates[row]),
            value=float(money[row]),
            remedy="check the units: returns are decimals per bar",
        )
    return pd.Series(money, index=dates, name="equity")


def _first_row(start: str | dt.date | np.datetime64, dates: pd.DatetimeIndex) -> pd.Timestamp:
    try:
        first = pd.Timestamp(start)
    except (TypeError, ValueError) as error:
        raise LabelError("start is not a date", value=start, remedy="write it as YYYY-MM-DD") from error
    if (first.tzinfo is None) != (dates.tz is None):
        raise LabelError(
            "start and the returns differ in having a time zone",
            value=day(first),
            remedy="pass a Timestamp with the time zone of the returns, or none for dates without one",
        )
    if not first < dates[0]:  # NaT fails too
        raise LabelError(
            "start is not before the first return",
            where=day(dates[0]),
            value=day(first),
            remedy="give the date on which the period of the first return began",
        )
    return first


def total_return(equity: pd.Series[float]) -> float:
    """Growth of the account over the whole curve: ``E_last / E_first - 1``.

    Parameters
    ----------
    equity : Series, shape (T,), T >= 2
        Money by row; the first value is the starting capital. Rows ascending by date.

    Returns
    -------
    float
        A decimal: 0.5 for fifty percent over the whole time.

    Raises
    ------
    InputError
        A value is missing, infinite, zero or negative (its date).
    LabelError, ShapeError
        Not a Series by ascending dates, or fewer than two rows.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.metrics import total_return
    >>> total_return(pd.Series([100.0, 80.0, 150.0], index=pd.date_range("2024-01-01", periods=3)))
    0.5
    """
    values = read_curve(equity).values
    return float(values[-1] / values[0]) - 1.0


def annual_return(equity: pd.Series[float], *, periods_per_year: float) -> float:
    """Geometric rate of growth per year, time counted in bars: ``(E_last / E_first) ** (P / (T - 1)) - 1``.

    Parameters
    ----------
    equity : Series, shape (T,), T >= 2
        Money by row; the first value is the starting capital.
    periods_per_year : float
        P, the bars of one year.

    Returns
    -------
    float
        Decimal per year. Infinite if a short curve with a large gain annualises beyond the largest float.

    Raises
    ------
    InputError, LabelError, ShapeError
        As in `total_return`.
    SpecificationError
        `periods_per_year` is not a positive number.

    See Also
    --------
    cagr : the same with time taken from the calendar.
    mean_annual_return : the arithmetic mean, numerator of the Sharpe ratio.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.metrics import annual_return
    >>> equity = pd.Series([100.0, 90.0, 110.0, 121.0, 144.0], index=pd.date_range("2024-01-01", periods=5))
    >>> round(annual_return(equity, periods_per_year=2), 12)
    0.2
    """
    curve, periods = read_curve(equity), require_periods(periods_per_year)
    return growth_rate(float(curve.values[-1] / curve.values[0]), periods / curve.returns.size)


def mean_annual_return(equity: pd.Series[float], *, periods_per_year: float) -> float:
    """Arithmetic mean of the bars' returns, times the bars of a year.

    Parameters
    ----------
    equity : Series, shape (T,), T >= 2
        Money by row; the first value is the starting capital.
    periods_per_year : float
        The bars of one year.

    Returns
    -------
    float
        Decimal per year, without compounding. It exceeds the geometric rate by about half the variance.

    Raises
    ------
    InputError, LabelError, ShapeError, SpecificationError
        As in `annual_return`.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.metrics import mean_annual_return
    >>> equity = pd.Series([100.0, 110.0, 99.0], index=pd.date_range("2024-01-01", periods=3))
    >>> round(mean_annual_return(equity, periods_per_year=252), 12)
    0.0
    """
    curve, periods = read_curve(equity), require_periods(periods_per_year)
    return float(curve.returns.mean()) * periods


def cagr(equity: pd.Series[float]) -> float:
    """Compound annual growth rate on calendar time: ``(E_last / E_first) ** (365.25 days / elapsed) - 1``.

    Parameters
    ----------
    equity : Series, shape (T,), T >= 2
        Money by row; the first value is the starting capital. The dates of the first and the last row count.

    Returns
    -------
    float
        Decimal per year of 365.25 days. Infinite if a short curve annualises beyond the largest float.

    Raises
    ------
    InputError, LabelError, ShapeError
        As in `total_return`.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.metrics import cagr
    >>> equity = pd.Series([100.0, 144.0], index=pd.to_datetime(["2020-01-01 00:00", "2021-12-31 12:00"]))
    >>> round(cagr(equity), 12)
    0.2
    """
    curve = read_curve(equity)
    return growth_rate(float(curve.values[-1] / curve.values[0]), 1.0 / float(curve.years.sum()))


def volatility(equity: pd.Series[float], *, periods_per_year: float) -> float:
    """Annualise the deviation of the bars' returns: their standard deviation (ddof 1) times ``sqrt(P)``.

    Parameters
    ----------
    equity : Series, shape (T,), T >= 2
        Money by row; the first value is the starting capital.
    periods_per_year : float
        P, the bars of one year.

    Returns
    -------
    float
        Decimal per year. 0.0 for growth that is steady to rounding; NaN for a single bar.

    Raises
    ------
    InputError, LabelError, ShapeError, SpecificationError
        As in `annual_return`.

    Notes
    -----
    The square root holds for returns without autocorrelation.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.metrics import volatility
    >>> equity = pd.Series([100.0, 110.0, 99.0], index=pd.date_range("2024-01-01", periods=3))
    >>> round(volatility(equity, periods_per_year=50), 12)
    1.0
    """
    curve, periods = read_curve(equity), require_periods(periods_per_year)
    return deviation(curve.returns) * math.sqrt(periods)
