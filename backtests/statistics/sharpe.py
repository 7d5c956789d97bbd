"""A Sharpe ratio with what it may be off by: standard error, interval, and the p-value of a true ratio of zero."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import pandas as pd

from allocopt.backtests.metrics import _numbers
from allocopt.backtests.metrics.sharpe_error import require_lags, standard_error
from allocopt.backtests.statistics._streams import read_stream, require_confidence, shown_p
from allocopt.errors import InputError

#: Below this many rows the error itself cannot be estimated.
FEWEST_ROWS = 30


@dataclass(frozen=True, kw_only=True, repr=False)
class SharpeEstimate:
    """A Sharpe ratio and its sampling error, annualised.

    Attributes
    ----------
    ratio : float
        Annualised, with ddof 1, as `allocopt.backtests.metrics.sharpe_ratio`.
    standard_error : float
        Of `ratio`, by the delta method with a Newey-West covariance, as
        `allocopt.backtests.metrics.sharpe_standard_error`.
    interval : tuple of two floats
        Ratio minus and plus the normal quantile times the error.
    p_value : float
        Two-sided, of the hypothesis that the true ratio is 0.
    confidence : float
        Of the interval, a decimal.
    lags : int
        Of the Bartlett kernel, in rows.
    rows : int
        Number of returns.
    periods_per_year : float
        Rows of one year.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.statistics import sharpe_estimate
    >>> days = pd.bdate_range("2015-01-01", periods=2500)
    >>> returns = pd.Series(np.random.default_rng(1).normal(0.0005, 0.01, 2500), days)
    >>> sharpe_estimate(returns, periods_per_year=252)
    Sharpe ratio 0.56 a year with standard error 0.32 (95 % interval -0.06 to 1.18)
    p = 0.079 for a true ratio of 0, t = 1.76, 2500 rows, Newey-West with 8 lags
    """

    ratio: float
    standard_error: float
    interval: tuple[float, float]
    p_value: float
    confidence: float
    lags: int
    rows: int
    periods_per_year: float

    @property
    def t_statistic(self) -> float:
        """Ratio over standard error."""
        return self.ratio / self.standard_error

    @property
    def ratio_per_row(self) -> float:
        """The ratio per row: not annualised."""
        return self.ratio / math.sqrt(self.periods_per_year)

    @property
    def significant(self) -> bool:
        """Whether the p-value is at most ``1 - confidence``."""
        return self.p_value <= 1.0 - self.confidence + 1e-12

    @property
    def message(self) -> str:
        """The estimate in words."""
        low, high = self.interval
        return (
            f"Sharpe ratio {self.ratio:.2f} a year with standard error {self.standard_error:.2f} "
            f"({100.0 * self.confidence:.3g} % interval {low:.2f} to {high:.2f})\n"
            f"p = {shown_p(self.p_value)} for a true ratio of 0, t = {self.t_statistic:.2f}, {self.rows} rows, "
            f"Newey-West with {self.lags} lag{'' if self.lags == 1 else 's'}"
        )

    def __repr__(self) -> str:
        return self.message


def sharpe_estimate(
    returns: pd.Series[float],
    *,
    periods_per_year: float,
    cash_rate: float | pd.Series[float] = 0.0,
    hac_lags: int | None = None,
    confidence: float = 0.95,
) -> SharpeEstimate:
    """Estimate a Sharpe ratio with an error that is robust to autocorrelation, skewness and fat tails.

    It is for one strategy that was named before its data were seen. For the best of several see
    `deflated_sharpe_of_best`; for the difference of two see `sharpe_difference`.

    Parameters
    ----------
    returns : Series, shape (n,), n >= 30
        Decimals per row, by date in order. Leave out rows without a period: ``ledger.returns.iloc[1:]``.
    periods_per_year : float
        P, the rows of one year.
    cash_rate : float or Series, default 0.0
        Decimal per year, taken off as ``cash_rate / P`` a row. A Series gives it by date.
    hac_lags : int, optional
        Lags of the Bartlett kernel, from 0 to below n. Default: `allocopt.backtests.metrics.newey_west_lags`.
    confidence : float, default 0.95
        Of the interval, a decimal.

    Returns
    -------
    SharpeEstimate
        Ratio, error, interval and p-value, annualised.

    Raises
    ------
    InputError
        A return is missing, infinite or below -1; the returns do not vary; the ratio has no sampling error.
    LabelError
        The dates are out of order or twice there; `cash_rate` has other dates.
    ShapeError
        `returns` is no Series, or has fewer than 30 rows.
    SpecificationError
        A setting is out of its range.

    Notes
    -----
    The error is that of the number ``sqrt(P) S``, S the ratio per row. Under autocorrelation this number is not the
    ratio of annual returns (Lo 2002, "Time aggregation"). In short samples the error is too small.

    References
    ----------
    A. W. Lo, "The Statistics of Sharpe Ratios", Financial Analysts Journal 58 (2002), sections "IID Returns" and
    "Non-IID Returns".

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.statistics import sharpe_estimate
    >>> days = pd.bdate_range("2015-01-01", periods=2500)
    >>> returns = pd.Series(np.random.default_rng(1).normal(0.0005, 0.01, 2500), days)
    >>> found = sharpe_estimate(returns, periods_per_year=252)
    >>> round(found.ratio, 2), round(found.standard_error, 2), found.significant
    (0.56, 0.32, False)
    """
    stream = read_stream(returns, cash_rate, periods_per_year, FEWEST_ROWS)
    excess, periods = stream.values[:, 0], stream.periods
    lags, level = require_lags(hac_lags, excess.size), require_confidence(confidence)
    ratio = _numbers.sharpe(excess, periods)
    error = standard_error(excess, periods, lags)
    if not error > 1e-14 * (1.0 + abs(ratio)):
        raise InputError(
            "the Sharpe ratio has no sampling error",
            value=error,
            remedy="give returns that take more than two values, or fewer lags",
        )
    half = NormalDist().inv_cdf(0.5 + level / 2.0) * error
    return SharpeEstimate(
        ratio=ratio,
        standard_error=error,
        interval=(ratio - half, ratio + half),
        p_value=math.erfc(abs(ratio / error) / math.sqrt(2.0)),
        confidence=level,
        lags=lags,
        rows=excess.size,
        periods_per_year=periods,
    )
