"""The trials of a search: how many, how many independent ones, and how their Sharpe ratios vary."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd

from allocopt.backtests.statistics._streams import Streams, read_trials, require_number
from allocopt.backtests.statistics.independent import (
    AllTrials,
    AverageCorrelation,
    Clusters,
    IndependentTrials,
    average_correlation,
    cluster,
    cluster_sharpes,
    correlations,
)
from allocopt.backtests.statistics.methods import whole
from allocopt.errors import ShapeError


def expected_maximum_sharpe(trials: float, variance: float) -> float:
    """Give the Sharpe ratio that the best of many trials without skill is expected to show.

    ``sqrt(V) ((1 - g) z(1 - 1/N) + g z(1 - 1/(N e)))`` with the normal quantile z, the Euler-Mascheroni constant g
    and Euler's number e: an approximation to the expected maximum of N independent normal variables of variance V.

    Parameters
    ----------
    trials : float
        N, the number of independent trials, at least 1; a fraction where it is an effective number.
    variance : float
        V, of the trials' Sharpe ratios, at least 0.

    Returns
    -------
    float
        In the units of the root of `variance`: annualised for ratios annualised. For N below 1.3 the formula falls
        under the mean of zero, which no maximum does; then, and for a single trial, it is 0.

    Raises
    ------
    SpecificationError
        A number is out of its range.

    References
    ----------
    D. H. Bailey and M. Lopez de Prado, "The Deflated Sharpe Ratio: Correcting for Selection Bias, Backtest
    Overfitting, and Non-Normality", Journal of Portfolio Management 40 (2014), equation 1.

    Examples
    --------
    >>> from allocopt.backtests.statistics import expected_maximum_sharpe
    >>> round(expected_maximum_sharpe(100, variance=0.5), 2)
    1.79
    """
    number = require_number(trials, "trials", "give the number of independent trials", least=1.0)
    spread = math.sqrt(require_number(variance, "variance", "give the variance of the Sharpe ratios", least=0.0))
    if number == 1.0:
        return 0.0
    quantile = NormalDist().inv_cdf
    highest = (1.0 - np.euler_gamma) * -quantile(1.0 / number) + np.euler_gamma * -quantile(1.0 / (number * math.e))
    return spread * max(highest, 0.0)


@dataclass(frozen=True, kw_only=True)
class SharpeTrials:
    """How many trials there were, and how their Sharpe ratios varied.

    `sharpe_trials` finds it from the trials' returns. Made by hand it takes published figures.

    Parameters
    ----------
    number : int
        M, all the trials that were looked at, also those that were thrown away.
    independent : float
        N, the independent trials they amount to, at least 1.
    variance : float
        Of their *annualised* Sharpe ratios, ddof 1.
    rule : AllTrials, AverageCorrelation or Clusters, default AllTrials()
        How `independent` was found.

    Raises
    ------
    SpecificationError
        A number is out of its range.

    Examples
    --------
    >>> from allocopt.backtests.statistics import SharpeTrials
    >>> round(SharpeTrials(number=100, independent=100, variance=0.5).hurdle, 2)
    1.79
    """

    number: int
    independent: float
    variance: float
    rule: IndependentTrials = AllTrials()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        whole(self.number, 1, "number", "give the number of all trials")
        require_number(self.independent, "independent", "give the number of independent trials", least=1.0)
        require_number(self.variance, "variance", "give the variance of the annualised ratios", least=0.0)

    @property
    def hurdle(self) -> float:
        """Annualised ratio that the best of `independent` trials without skill is expected to show."""
        return expected_maximum_sharpe(self.independent, self.variance)


def sharpe_trials(
    trials: pd.DataFrame,
    *,
    periods_per_year: float,
    cash_rate: float | pd.Series[float] = 0.0,
    independent: IndependentTrials = AllTrials(),  # noqa: B008 - frozen
) -> SharpeTrials:
    """Count the trials of a search and measure how their Sharpe ratios vary.

    Parameters
    ----------
    trials : DataFrame, shape (n, M), n >= 3, M >= 2
        Returns as decimals per row, one column for *every* trial of the search, by date in order.
    periods_per_year : float
        P, the rows of one year.
    cash_rate : float or Series, default 0.0
        Decimal per year, taken off as ``cash_rate / P`` a row.
    independent : AllTrials, AverageCorrelation or Clusters, default AllTrials()
        How many independent trials they amount to.

    Returns
    -------
    SharpeTrials
        Number, independent number and variance.

    Raises
    ------
    InputError
        A return is missing, infinite or below -1; a trial does not vary.
    LabelError
        The dates are out of order or twice there; a label is there twice; `cash_rate` has other dates.
    ShapeError
        `trials` is no DataFrame or too small; `independent` is no rule.
    SpecificationError
        A setting is out of its range.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.statistics import AverageCorrelation, sharpe_trials
    >>> rng = np.random.default_rng(1)
    >>> common = rng.normal(0, 0.01, (1000, 1))
    >>> days = pd.bdate_range("2020-01-01", periods=1000)
    >>> trials = pd.DataFrame(common + rng.normal(0, 0.01, (1000, 50)), days)
    >>> round(sharpe_trials(trials, periods_per_year=252, independent=AverageCorrelation()).independent, 1)
    25.6
    """
    return trials_of(read_trials(trials, cash_rate, periods_per_year, 3), independent)


def trials_of(streams: Streams, rule: IndependentTrials) -> SharpeTrials:
    """Count trials that have been read."""
    excess, periods, number = streams.values, streams.periods, streams.values.shape[1]
    if not isinstance(rule, IndependentTrials):
        raise ShapeError(
            "independent is not a rule",
            value=type(rule).__name__,
            remedy="pass AllTrials(), AverageCorrelation() or Clusters()",
        )
    ratios = excess.mean(axis=0) / excess.std(axis=0, ddof=1) * math.sqrt(periods)
    count = float(number)
    if isinstance(rule, AverageCorrelation):
        average = average_correlation(correlations(excess))
        count = max(average + (1.0 - average) * number, 1.0)  # below 1 by rounding only
    elif isinstance(rule, Clusters):
        ratios = cluster_sharpes(excess, cluster(correlations(excess), rule.correlation), periods)
        count = float(len(ratios))
    variance = float(ratios.var(ddof=1)) if len(ratios) > 1 else 0.0
    return SharpeTrials(number=number, independent=count, variance=variance, rule=rule)
