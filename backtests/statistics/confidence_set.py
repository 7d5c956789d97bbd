"""Which of many strategies may be the best? The model confidence set of Hansen, Lunde and Nason."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from allocopt.backtests._checks import require_kind, require_option
from allocopt.backtests.metrics._numbers import deviation
from allocopt.backtests.statistics._competition import (
    read_returns,
    require_reachable,
    shown_bootstrap,
    shown_names,
)
from allocopt.backtests.statistics._pair import FloatArray, IntArray
from allocopt.backtests.statistics.stationary_bootstrap import (
    StationaryBootstrap,
    block_in_use,
    politis_white_lengths,
    resampled_means,
)
from allocopt.errors import InputError

#: Resampled rows that are compared with all strategies at once.
_CHUNK: Final = 20_000


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelConfidenceSet:
    """Strategies that cannot be told from the best one. Made by `model_confidence_set`.

    Attributes
    ----------
    table : DataFrame
        One row a strategy, in the order in which they were eliminated, the best last: ``mean_return`` (decimal per
        row), ``p_value`` (the lowest level at which it drops out of the set), ``included``.
    confidence : float
        Probability, at least, that the set holds the best strategy.
    statistic : str
        As given.
    block : float
        Mean block length used, in rows.
    rows : int
        Number of rows.
    bootstrap : StationaryBootstrap
        As given.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.statistics import StationaryBootstrap, model_confidence_set
    >>> days = pd.bdate_range("2015-01-01", periods=1000)
    >>> returns = pd.DataFrame(np.random.default_rng(1).normal(0.0, 0.01, (1000, 4)), days, list("abcd"))
    >>> returns[["b", "d"]] += 0.002
    >>> print(model_confidence_set(returns, StationaryBootstrap(seed=7)))
    2 of 4 strategies may be the best, with confidence 95 %: d, b
    range statistic, 1000 rows
    1000 samples, mean block 1.6 rows (by Politis and White), seed 7
    """

    table: pd.DataFrame
    confidence: float
    statistic: str
    block: float
    rows: int
    bootstrap: StationaryBootstrap

    @property
    def included(self) -> list[Any]:
        """Names in the set, in the order of elimination, the best last."""
        return self.table.index[self.table["included"].to_numpy(dtype=bool)].tolist()

    @property
    def message(self) -> str:
        """The finding in words, one line a matter."""
        return (
            f"{len(self.included)} of {len(self.table)} strategies may be the best, with confidence "
            f"{100.0 * self.confidence:.3g} %: {shown_names(self.included)}\n{self.statistic} statistic, "
            f"{self.rows} rows\n{shown_bootstrap(self.block, self.bootstrap)}"
        )

    def __str__(self) -> str:
        return self.message


def model_confidence_set(
    returns: pd.DataFrame,
    bootstrap: StationaryBootstrap,
    *,
    statistic: Literal["range", "max"] = "range",
    confidence: float = 0.95,
) -> ModelConfidenceSet:
    """Find the strategies among which the best one is, with a given probability. There is no benchmark.

    All strategies are tested for equal mean returns; if that is rejected the worst one is dropped, and so on until the
    rest cannot be told apart. Noisy data give a large set: that is the finding, for the data do not say which of them
    is best.

    Parameters
    ----------
    returns : DataFrame, shape (n, k), n >= 30, k >= 2
        As in `reality_check`.
    bootstrap : StationaryBootstrap
        As in `reality_check`; the block length is estimated from each strategy less the mean of all.
    statistic : {"range", "max"}, default "range"
        "range": the largest t statistic of any pair; the strategy that loses that pair by most is dropped. "max": the
        largest t statistic of a strategy against the mean of those left.
    confidence : float, default 0.95
        The set holds those with a p-value above ``1 - confidence``.

    Returns
    -------
    ModelConfidenceSet
        The set, and the p-value of every strategy.

    Raises
    ------
    InputError
        As in `reality_check`; or two strategies differ by the same number on every row, and not by zero.
    LabelError, ShapeError, SpecificationError
        As in `reality_check`; fewer than two strategies; an unknown word; a confidence that the replications cannot
        reach.

    Notes
    -----
    The loss is minus the return. Strategies that are the same on every row, as those of a parameter that never binds,
    are one strategy here and share its p-value. Equal to ``arch.bootstrap.MCS`` (methods "R" and "max") for the same
    seed and block length where no two are the same.

    References
    ----------
    P. R. Hansen, A. Lunde and J. M. Nason, "The Model Confidence Set", Econometrica 79 (2011), sections 2 and 3.1.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.statistics import StationaryBootstrap, model_confidence_set
    >>> days = pd.bdate_range("2015-01-01", periods=1000)
    >>> returns = pd.DataFrame(np.random.default_rng(1).normal(0.0, 0.01, (1000, 4)), days, list("abcd"))
    >>> returns[["b", "d"]] += 0.002
    >>> found = model_confidence_set(returns, StationaryBootstrap(seed=7), statistic="max")
    >>> found.included, found.table["p_value"].tolist()
    (['d', 'b'], [0.0, 0.0, 0.763, 1.0])
    """
    require_kind(bootstrap, StationaryBootstrap, "the bootstrap")
    require_option(statistic, ("range", "max"), "statistic")
    values = read_returns(returns, fewest=2)
    level = 1.0 - require_reachable(confidence, bootstrap.replications)
    # One column for each different strategy, in the order of their first appearance.
    _, first, twin = np.unique(values, axis=1, return_index=True, return_inverse=True)
    kept = np.sort(first)
    place = np.searchsorted(kept, first)[np.ravel(twin)]
    distinct = values[:, kept]
    means = distinct.mean(axis=0)
    if len(kept) == 1:
        eliminated, p_values, block = (
            np.zeros(1, dtype=np.int64),
            np.ones(1),
            block_in_use(bootstrap, np.ones(1), len(values)),
        )
    else:
        names = [f"strategy {returns.columns[k]!r}" for k in kept]
        _require_apart(distinct, names)
        apart = distinct - distinct.mean(axis=1, keepdims=True)
        estimated = politis_white_lengths(apart, names) if isinstance(bootstrap.block, str) else np.empty(0)
        block = block_in_use(bootstrap, estimated, len(values))
        scattered = resampled_means(distinct - means, block, bootstrap)
        eliminated, p_values = (_by_range if statistic == "range" else _by_max)(means, scattered)
    rank = np.empty(len(kept), dtype=np.int64)
    rank[eliminated] = np.arange(len(kept))
    order = np.argsort(rank[place], kind="stable")
    p = p_values[rank[place]][order]
    table = pd.DataFrame(
        {"mean_return": means[place][order], "p_value": p, "included": p > level + 1e-12}, index=returns.columns[order]
    )
    return ModelConfidenceSet(
        table=table, confidence=confidence, statistic=statistic, block=block, rows=len(values), bootstrap=bootstrap
    )


def _require_apart(values: FloatArray, names: list[str]) -> None:
    """Raise an `InputError` if two strategies differ by a constant: their difference has no error."""
    order = np.argsort(values[1] - values[0], kind="stable")
    for one, other in itertools.pairwise(order):
        if not deviation(values[:, other] - values[:, one]) > 0.0:
            raise InputError(
                "two strategies differ by the same number on every row",
                where=f"{names[one]} and {names[other]}",
                value=float(values[0, other] - values[0, one]),
                remedy="keep one of them: their difference has no sampling error",
            )


def _by_range(means: FloatArray, scattered: FloatArray) -> tuple[IntArray, FloatArray]:
    """Eliminate by pairs: the order of elimination, and p-values in that order.

    Each strategy's largest resampled statistic against any other is kept, with the one it is against, and is computed
    anew only where that one has been eliminated.
    """
    replications, k = scattered.shape
    deviations = np.ones((k, k))
    largest = np.empty((replications, k))
    against = np.empty((replications, k), dtype=np.int64)
    for i in range(k):
        # Losses are minus the returns: i loses to j where the return of j less that of i is large.
        gaps = scattered - scattered[:, [i]]
        deviations[i] = np.sqrt((gaps * gaps).mean(axis=0))
        deviations[i, i] = 1.0
        gaps /= deviations[i]
        against[:, i] = gaps.argmax(axis=1)
        largest[:, i] = np.take_along_axis(gaps, against[:, [i]], axis=1)[:, 0]
    observed = (means - means[:, None]) / deviations
    left = np.arange(k)
    eliminated, p_values = np.empty(k, dtype=np.int64), np.ones(k)
    for step in range(k - 1):
        inside = observed[np.ix_(left, left)]
        worst = int(np.unravel_index(inside.argmax(), inside.shape)[0])
        p = float((largest[:, left].max(axis=1) > inside.max()).mean())
        p_values[step] = max(p, p_values[step - 1]) if step else p
        eliminated[step] = left[worst]
        left = np.delete(left, worst)
        samples, places = np.nonzero(against[:, left] == eliminated[step])
        for start in range(0, len(samples), _CHUNK):
            rows, columns = samples[start : start + _CHUNK], left[places[start : start + _CHUNK]]
            gaps = scattered[rows][:, left] - scattered[rows, columns][:, None]
            gaps /= deviations[columns][:, left]
            best = gaps.argmax(axis=1)
            largest[rows, columns] = gaps[np.arange(len(rows)), best]
            against[rows, columns] = left[best]
    eliminated[-1] = left[0]
    return eliminated, p_values


def _by_max(means: FloatArray, scattered: FloatArray) -> tuple[IntArray, FloatArray]:
    """Eliminate by distance from the mean of those left: the order of elimination, and p-values in that order."""
    k = len(means)
    left = np.arange(k)
    eliminated, p_values = np.empty(k, dtype=np.int64), np.ones(k)
    for step in range(k - 1):
        drawn = scattered[:, left].mean(axis=1, keepdims=True) - scattered[:, left]
        deviations = np.sqrt((drawn * drawn).mean(axis=0))
        losses = (means[left].mean() - means[left]) / deviations
        worst = int(losses.argmax())
        p = float(((drawn / deviations).max(axis=1) > losses[worst]).mean())
        p_values[step] = max(p, p_values[step - 1]) if step else p
        eliminated[step] = left[worst]
        left = np.delete(left, worst)
    eliminated[-1] = left[0]
    return eliminated, p_values
