"""How far may the figures of a curve be off? Bootstrap intervals for every number that `performance` gives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd

from allocopt.backtests._checks import require_kind, require_option, require_periods
from allocopt.backtests.metrics._curve import Curve, read_active, read_curve, read_rates, read_turnover
from allocopt.backtests.metrics._figures import Given, measure
from allocopt.backtests.metrics.sharpe_error import require_hac
from allocopt.backtests.statistics._competition import require_reachable, shown_bootstrap
from allocopt.backtests.statistics._pair import FEWEST_ROWS, FloatArray
from allocopt.backtests.statistics.stationary_bootstrap import (
    StationaryBootstrap,
    block_in_use,
    politis_white_lengths,
    resampled_rows,
)
from allocopt.errors import InputError, ShapeError

#: The numbers of `performance` in its order, but for those that every resampled path shares (its rows, its years, its
#: starting capital, its lags); of the times only the one that always has an end, in days.
NUMBERS: Final = (
    "final_value", "total_return", "annual_return", "mean_annual_return", "cagr", "volatility",
    "sharpe", "sharpe_standard_error", "sortino", "calmar", "max_drawdown", "max_drawdown_money",
    "number_of_drawdowns", "mean_drawdown", "longest_drawdown", "win_rate_active", "win_rate_all",
    "profit_factor", "turnover_per_year", "bps",
)  # fmt: skip
_DAY: Final = pd.Timedelta(days=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class PerformanceIntervals:
    """Figures of a curve with their bootstrap intervals. Made by `performance_intervals`.

    Attributes
    ----------
    table : DataFrame
        One row a figure, named as in `allocopt.backtests.metrics.Performance`: ``estimate`` (of the curve itself),
        ``lower``, ``upper``, ``standard_error`` (deviation over the samples), ``bias`` (mean over the samples less the
        estimate), ``undefined`` (samples in which the figure is NaN or infinite; if there are any, the interval, error
        and bias are NaN).
    draws : DataFrame, shape (replications, figures)
        Every figure in every sample.
    confidence : float
        Of the intervals.
    interval : str
        As given.
    block : float
        Mean block length used, in rows.
    rows : int
        Number of bars resampled.
    bootstrap : StationaryBootstrap
        As given.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.statistics import StationaryBootstrap, performance_intervals
    >>> days = pd.bdate_range("2015-01-01", periods=1000)
    >>> returns = np.random.default_rng(3).normal(0.0005, 0.01, 1000)
    >>> equity = pd.Series(np.cumprod(1.0 + returns), days)
    >>> found = performance_intervals(equity, StationaryBootstrap(seed=7, replications=200), periods_per_year=252)
    >>> print(str(found).splitlines()[0])
    95 % percentile intervals of 18 figures, 999 bars
    """

    table: pd.DataFrame
    draws: pd.DataFrame
    confidence: float
    interval: str
    block: float
    rows: int
    bootstrap: StationaryBootstrap

    @property
    def message(self) -> str:
        """The table in words, with how it was made."""
        return (
            f"{100.0 * self.confidence:.3g} % {self.interval} intervals of {len(self.table)} figures, "
            f"{self.rows} bars\n"
            f"{self.table.to_string(float_format='{:.4g}'.format)}\n{shown_bootstrap(self.block, self.bootstrap)}"
        )

    def __str__(self) -> str:
        return self.message


def performance_intervals(
    equity: pd.Series[float],
    bootstrap: StationaryBootstrap,
    *,
    periods_per_year: float,
    active: pd.Series[bool] | None = None,
    turnover: pd.Series[float] | None = None,
    cash_rate: float | pd.Series[float] = 0.0,
    hac_lags: int | None = None,
    standard_error: bool = True,
    interval: Literal["percentile", "basic"] = "percentile",
    confidence: float = 0.95,
) -> PerformanceIntervals:
    """Give an interval and a standard error for every figure of an equity curve, by the stationary bootstrap.

    The returns are resampled in blocks. Each sample is compounded from the same capital to a path on the same dates,
    and the path is measured by the very functions that measure the curve.

    Parameters
    ----------
    equity, active, turnover, cash_rate, hac_lags, standard_error, periods_per_year
        As in `allocopt.backtests.metrics.performance`. What is given by row is resampled together with the returns.
        At least 30 bars.
    bootstrap : StationaryBootstrap
        Samples and seed. The block length "politis-white" is the longer of the lengths for the mean of the returns and
        of their squares, so that volatility and drawdowns keep the clustering they come from; at least 1 bar, at most
        a tenth of the bars.
    interval : {"percentile", "basic"}, default "percentile"
        "percentile": quantiles of the figure over the samples; it stays within the figure's range (a drawdown within 0
        and 1) and takes the samples' bias along. "basic": twice the estimate less the quantiles in reverse; it takes
        the bias out and may leave the range.
    confidence : float, default 0.95
        Of the intervals, a decimal.

    Returns
    -------
    PerformanceIntervals
        The table, and the figures of every sample.

    Raises
    ------
    InputError, LabelError, ShapeError
        As in `performance`; fewer than 30 bars; a sample compounds to nothing or beyond the largest float.
    SpecificationError
        As in `performance`; an unknown word; fewer than 10 blocks; a confidence that the replications cannot reach.

    Notes
    -----
    A drawdown of a sample is that of a path which could have been: the same blocks of days in another order, some
    twice, some left out. It says how much of the drawdown was the luck of the order. Dependence beyond the blocks is
    lost: where slow trends or reversals made the drawdown, the samples have another one on average, and ``bias`` shows
    it. Calendar times (``longest_drawdown``, in days) are those of the curve's dates.

    Intervals do not know how the strategy was found: they are for one that was fixed beforehand. No BCa interval is
    offered, since its acceleration is defined by leaving out independent rows one at a time.

    References
    ----------
    D. N. Politis and J. P. Romano, "The Stationary Bootstrap", Journal of the American Statistical Association 89
    (1994). A. C. Davison and D. V. Hinkley, "Bootstrap Methods and their Application" (1997), sections 5.2 and 5.3.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.statistics import StationaryBootstrap, performance_intervals
    >>> days = pd.bdate_range("2015-01-01", periods=1000)
    >>> returns = np.random.default_rng(3).normal(0.0005, 0.01, 1000)
    >>> equity = pd.Series(np.cumprod(1.0 + returns), days)
    >>> found = performance_intervals(equity, StationaryBootstrap(seed=7, replications=200), periods_per_year=252)
    >>> columns = ["estimate", "lower", "upper", "standard_error"]
    >>> found.table.rename_axis(None).loc[["sharpe", "max_drawdown"], columns].round(2)
                  estimate  lower  upper  standard_error
    sharpe            1.36   0.37   2.19            0.51
    max_drawdown      0.19   0.11   0.31            0.05
    """
    require_kind(bootstrap, StationaryBootstrap, "the bootstrap")
    require_option(interval, ("percentile", "basic"), "interval")
    require_reachable(confidence, bootstrap.replications)
    curve, periods = read_curve(equity), require_periods(periods_per_year)
    bars = curve.returns.size
    if bars < FEWEST_ROWS:
        raise ShapeError(
            "the curve is too short for intervals",
            value=f"{bars} bars",
            remedy=f"give at least {FEWEST_ROWS} bars, better some hundred",
        )
    given = Given(
        periods_per_year=periods,
        cash=read_rates(cash_rate, curve, periods),
        lags=require_hac(hac_lags, standard_error, bars),
        active=None if active is None else read_active(active, curve),
        turnover=None if turnover is None else read_turnover(turnover, curve),
    )
    block = block_in_use(bootstrap, _longest(curve.returns) if isinstance(bootstrap.block, str) else np.empty(0), bars)
    own = _numbers(curve, given)
    draws = pd.DataFrame([_numbers(*_sample(curve, given, rows)) for rows in resampled_rows(bars, block, bootstrap)])
    table = pd.DataFrame(
        {name: _row(own[name], draws[name].to_numpy(dtype=np.float64), confidence, interval) for name in own}
    ).T.rename_axis("figure")
    return PerformanceIntervals(
        table=table.astype({"undefined": "int64"}),
        draws=draws,
        confidence=confidence,
        interval=interval,
        block=block,
        rows=bars,
        bootstrap=bootstrap,
    )


def _longest(returns: FloatArray) -> FloatArray:
    columns = np.column_stack((returns, (returns - returns.mean()) ** 2))
    return np.sort(politis_white_lengths(columns, ["the returns", "their squares"]))[-1:]


def _sample(curve: Curve, given: Given, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[Curve, Given]:
    """Path on the dates of the curve that earns the returns of the given bars, with what belongs to those bars."""
    returns = curve.returns[rows]
    values = np.empty(returns.size + 1)
    values[0] = curve.values[0]
    with np.errstate(over="ignore", under="ignore"):
        values[1:] = values[0] * np.cumprod(1.0 + returns)
    if not (values.min() > 0.0 and values[-1] < math.inf):
        raise InputError(
            "a resampled path leaves the range of floats",
            value=float(values[-1]),
            remedy="cut the curve before the fall that nearly ends it, or check its units",
        )
    cash = given.cash[rows] if isinstance(given.cash, np.ndarray) else given.cash
    return Curve(curve.dates, values, returns), Given(
        periods_per_year=given.periods_per_year,
        cash=cash,
        lags=given.lags,
        active=None if given.active is None else given.active[rows],
        turnover=None if given.turnover is None else given.turnover[rows],
    )


def _numbers(curve: Curve, given: Given) -> dict[str, float]:
    figures = measure(curve, given)
    found = {"final_value": float(curve.values[-1])}
    for name in NUMBERS[1:]:
        value = getattr(figures, name)
        if value is not None:
            found[name] = float(value / _DAY) if name == "longest_drawdown" else float(value)
    return found


def _row(estimate: float, drawn: FloatArray, confidence: float, interval: str) -> dict[str, float]:
    undefined = int(np.count_nonzero(~np.isfinite(drawn)))
    low = high = error = bias = math.nan
    if undefined == 0 and math.isfinite(estimate):
        low, high = (float(q) for q in np.quantile(drawn, (0.5 - confidence / 2.0, 0.5 + confidence / 2.0)))
        if interval == "basic":
            low, high = 2.0 * estimate - high, 2.0 * estimate - low
        with np.errstate(over="ignore"):
            error, bias = float(drawn.std(ddof=1)), float(drawn.mean()) - estimate
    return {
        "estimate": estimate, "lower": low, "upper": high, "standard_error": error, "bias": bias,
        "undefined": float(undefined),
    }  # fmt: skip
