"""How far a Sharpe ratio may be off: its standard error under autocorrelation and fat tails."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from allocopt.backtests._checks import plain, require_periods
from allocopt.backtests.metrics._curve import FloatArray, IntArray, read_curve, read_rates
from allocopt.backtests.metrics._numbers import deviation
from allocopt.errors import SpecificationError


def newey_west_lags(bars: int) -> int:
    """Lags of the Bartlett kernel by the usual rule: ``floor(4 (n / 100) ** (2 / 9))``.

    Parameters
    ----------
    bars : int
        n, the number of returns, at least 1.

    Returns
    -------
    int
        Lags, below `bars` from 2 bars on.

    Raises
    ------
    SpecificationError
        `bars` is not a whole number of at least 1.

    References
    ----------
    W. K. Newey and K. D. West, "Automatic Lag Selection in Covariance Matrix Estimation", Review of Economic Studies
    61 (1994), the lag parameter for the Bartlett kernel; statsmodels takes it for the number of lags by default.

    Examples
    --------
    >>> from allocopt.backtests.metrics import newey_west_lags
    >>> newey_west_lags(252), newey_west_lags(5030)
    (4, 9)
    """
    if isinstance(bars, bool) or not isinstance(bars, (int, np.integer)) or bars < 1:
        raise SpecificationError("bars is not a whole number of at least 1", value=plain(bars), remedy="count returns")
    return math.floor(4.0 * math.pow(bars / 100.0, 2.0 / 9.0))


def require_lags(hac_lags: int | None, bars: int) -> int:
    """Lags to use: the usual rule for None, else the given number if it is at least 0 and below the bars."""
    if hac_lags is None:
        return newey_west_lags(bars)
    whole = isinstance(hac_lags, (int, np.integer)) and not isinstance(hac_lags, bool)
    if not whole or not 0 <= hac_lags < bars:
        raise SpecificationError(
            "hac_lags is not a whole number from 0 to below the number of bars",
            value=plain(hac_lags),
            remedy=f"give 0 to {bars - 1}, or None for the usual rule",
        )
    return int(hac_lags)


def require_hac(hac_lags: int | None, standard_error: bool, bars: int) -> int | None:
    """Lags to use, None where no standard error is asked for; lags for nothing are refused."""
    if standard_error:
        return require_lags(hac_lags, bars)
    if hac_lags is not None:
        raise SpecificationError(
            "hac_lags is given but no standard error is asked for",
            value=plain(hac_lags),
            remedy="leave hac_lags out, or pass standard_error=True",
        )
    return None


def standard_error(
    excess: FloatArray, periods_per_year: float, lags: int, rows: IntArray | None = None, total: int = 0
) -> float:
    """Estimate the error of the annualised Sharpe ratio of ``excess``, which may lie on ``rows`` out of ``total`` bars.

    The delta method on (mean, second moment) has the gradient (g, -m/2) / s^3 with m the mean, g the second moment and
    s the deviation. Multiplied out, it makes of each bar the number z - S/2 (z^2 - 1), z = (x - m)/s, S = m/s, whose
    long-run variance is all that is needed. So written, nothing cancels where the mean is large against the deviation.
    """
    if not deviation(excess) > 0.0:
        return math.nan
    from statsmodels.stats.sandwich_covariance import S_hac_simple

    mean, spread = float(excess.mean()), float(excess.std())
    z = (excess - mean) / spread
    parts = z - 0.5 * (mean / spread) * (z * z - 1.0)
    if rows is not None:
        # Bars of other regimes count as zero, so that a lag is a distance in time and not in bars of this regime.
        placed = np.zeros(total)
        placed[rows] = parts
        parts = placed
    # The Bartlett kernel makes the sum non-negative but for rounding.
    variance = max(float(S_hac_simple(parts, nlags=lags)[0, 0]), 0.0)
    return math.sqrt(variance * periods_per_year) / excess.size


def sharpe_standard_error(
    equity: pd.Series[float],
    *,
    periods_per_year: float,
    cash_rate: float | pd.Series[float] = 0.0,
    hac_lags: int | None = None,
) -> float:
    """Estimate the standard error of the annualised Sharpe ratio, robust to autocorrelation, skewness and fat tails.

    Delta method on the mean and the second moment of the excess returns, with their Newey-West (Bartlett kernel)
    covariance from statsmodels.

    Parameters
    ----------
    equity : Series, shape (T,), T >= 2
        Money by row; the first value is the starting capital.
    periods_per_year : float
        P, the bars of one year.
    cash_rate : float or Series, default 0.0
        Decimal per year, as in `sharpe_ratio`.
    hac_lags : int, optional
        Lags of the kernel, from 0 (no autocorrelation) to below the number of bars. Default: `newey_west_lags`.

    Returns
    -------
    float
        In the units of `sharpe_ratio`, the *annualised* ratio: the standard error of the ratio per bar, times
        ``sqrt(P)``. For 95 percent take about two of them to either side. NaN where the ratio is NaN.

    Raises
    ------
    InputError, LabelError, ShapeError
        As in `sharpe_ratio`.
    SpecificationError
        As in `sharpe_ratio`; or `hac_lags` is out of range.

    Notes
    -----
    For independent normal returns it tends to ``sqrt((1 + S^2 / 2) / n) sqrt(P)``, S the ratio per bar and n the bars.
    It is the error of the number ``sqrt(P) S``. Under autocorrelation that number is itself not the ratio of annual
    returns (Lo, "Time aggregation"). No correction for small samples is made: below some hundred bars, or with strong
    autocorrelation, it is too small (Ledoit and Wolf, section 3.2, suggest a bootstrap).

    References
    ----------
    A. W. Lo, "The Statistics of Sharpe Ratios", Financial Analysts Journal 58 (2002), sections "IID Returns" and
    "Non-IID Returns". O. Ledoit and M. Wolf, "Robust Performance Hypothesis Testing with the Sharpe Ratio", Journal of
    Empirical Finance 15 (2008), section 3.1.

    Examples
    --------
    >>> from arch.data import sp500
    >>> from allocopt.backtests.metrics import sharpe_ratio, sharpe_standard_error
    >>> index = sp500.load()["Adj Close"]
    >>> round(sharpe_ratio(index, periods_per_year=252), 3)
    0.283
    >>> round(sharpe_standard_error(index, periods_per_year=252), 3)
    0.195
    """
    curve, periods = read_curve(equity), require_periods(periods_per_year)
    lags = require_lags(hac_lags, curve.returns.size)
    return standard_error(curve.returns - read_rates(cash_rate, curve, periods), periods, lags)
