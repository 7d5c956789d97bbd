"""How many independent trials a set of correlated ones amounts to: the rules, as frozen specifications."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from allocopt.backtests._checks import plain
from allocopt.backtests.metrics import _numbers
from allocopt.backtests.statistics._streams import FloatArray, IntArray
from allocopt.errors import InputError, SpecificationError


@dataclass(frozen=True)
class AllTrials:
    """Count every trial: right for independent trials, and the strictest count for correlated ones.

    Examples
    --------
    >>> from allocopt.backtests.statistics import AllTrials
    >>> AllTrials()
    AllTrials()
    """


@dataclass(frozen=True)
class AverageCorrelation:
    """Count trials by the mean of their pairwise correlations r: ``r + (1 - r) M`` of M trials.

    The rule of the paper on the deflated ratio: M trials where nothing is common to them, one where all are the same.
    A negative mean gives more than M.

    References
    ----------
    D. H. Bailey and M. Lopez de Prado, "The Deflated Sharpe Ratio", Journal of Portfolio Management 40 (2014),
    appendix A.3, equations 8 and 9.

    Examples
    --------
    >>> from allocopt.backtests.statistics import AverageCorrelation
    >>> AverageCorrelation()
    AverageCorrelation()
    """


@dataclass(frozen=True)
class Clusters:
    """Count clusters of trials that move together, and let each cluster speak as one portfolio.

    Trials are joined by average linkage on the distance ``1 - correlation``, as long as the mean correlation between
    two clusters is at least `correlation`. Each cluster stands for its portfolio with weights inverse to the
    variances, and the variance of the Sharpe ratios is that between these portfolios.

    Parameters
    ----------
    correlation : float, default 0.5
        Between -1 and 1, without the ends.

    Raises
    ------
    SpecificationError
        `correlation` is out of its range.

    Notes
    -----
    Lopez de Prado and Lewis look for the number of clusters by k-means and silhouettes. The threshold here is plainer,
    needs no random start, and does not depend on the order of the columns but for ties.

    References
    ----------
    M. Lopez de Prado and M. J. Lewis, "Detection of False Investment Strategies Using Unsupervised Learning Methods",
    Quantitative Finance 19 (2019), for counting clusters and for their portfolios.

    Examples
    --------
    >>> from allocopt.backtests.statistics import Clusters
    >>> Clusters(correlation=0.7)
    Clusters(correlation=0.7)
    """

    correlation: float = 0.5

    def __post_init__(self) -> None:
        number = isinstance(self.correlation, (int, float)) and not isinstance(self.correlation, bool)
        if not number or not -1.0 < self.correlation < 1.0:
            raise SpecificationError(
                "correlation is not between -1 and 1", value=plain(self.correlation), remedy="give 0.5"
            )


IndependentTrials = AllTrials | AverageCorrelation | Clusters


def correlations(excess: FloatArray) -> FloatArray:
    """Correlation matrix of columns that are known to vary."""
    matrix: FloatArray = np.clip(np.corrcoef(excess, rowvar=False), -1.0, 1.0)
    return matrix


def average_correlation(matrix: FloatArray) -> float:
    """Mean of the correlations between different columns."""
    size = len(matrix)
    return float((matrix.sum() - np.trace(matrix)) / (size * (size - 1)))


def cluster(matrix: FloatArray, least: float) -> IntArray:
    """Cluster of each column, numbered from 0 in the order of their first columns."""
    from scipy.cluster.hierarchy import fcluster, linkage

    distance = 1.0 - matrix
    upper = distance[np.triu_indices(len(matrix), 1)]
    found = fcluster(linkage(np.maximum(upper, 0.0), "average"), 1.0 - least, "distance")
    _, first, inverse = np.unique(found, return_index=True, return_inverse=True)
    numbers: IntArray = np.argsort(np.argsort(first)).astype(np.int64)[inverse]
    return numbers


def cluster_sharpes(excess: FloatArray, clusters: IntArray, periods: float) -> FloatArray:
    """Annualised Sharpe ratio of each cluster's portfolio with weights inverse to the variances."""
    weights = 1.0 / excess.var(axis=0)
    found = np.empty(int(clusters.max()) + 1)
    for number in range(len(found)):
        members = clusters == number
        portfolio = excess[:, members] @ (weights[members] / weights[members].sum())
        found[number] = _numbers.sharpe(portfolio, periods)
        if math.isnan(found[number]):
            raise InputError(
                "the portfolio of a cluster has no volatility",
                where=f"cluster {number}",
                remedy="give a higher correlation to Clusters, so that opposite trials stay apart",
            )
    return found
