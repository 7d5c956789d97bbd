"""Do returns differ between regimes? Their figures by regime against those of regimes out of step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day, require_kind, require_numbers, require_option
from allocopt.backtests.metrics._numbers import deviation
from allocopt.backtests.statistics._pair import FloatArray, IntArray
from allocopt.backtests.statistics.label_permutations import Permutation, orders, require_permutation
from allocopt.backtests.statistics.regime_permutation import RegimePermutation, judge, read_labels
from allocopt.errors import InputError, LabelError


@dataclass(frozen=True, kw_only=True, eq=False)
class RegimeSeparation:
    """How far returns differ between regimes, against regimes out of step. Made by `regime_separation`.

    Attributes
    ----------
    test : RegimePermutation
        Of the spread between the regimes: the root of the mean square, weighted by rows, of each regime's figure less
        the weighted mean of all.
    table : DataFrame
        By regime: ``bars``, the figure under its name (per row, not annualised), ``expected`` (its mean over the
        permutations and the data), ``standard_error`` (its deviation over the permutations), ``p_value`` (two-sided,
        for that regime alone).
    metric : str
        As given.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.statistics import CircularShift, regime_separation
    >>> days = pd.bdate_range("2015-01-01", periods=1000)
    >>> regimes = pd.Series(np.where(np.arange(1000) // 50 % 3 > 0, "calm", "storm"), days)
    >>> returns = pd.Series(np.random.default_rng(1).normal(0.0, np.where(regimes == "calm", 0.005, 0.02)), days)
    >>> found = regime_separation(returns, regimes, CircularShift(seed=7), metric="volatility")
    >>> found.table["bars"].to_dict(), found.p_value <= 0.1
    ({'calm': 650, 'storm': 350}, True)
    """

    test: RegimePermutation
    table: pd.DataFrame
    metric: str

    @property
    def p_value(self) -> float:
        """Of the hypothesis that the regimes separate the returns no better than regimes out of step."""
        return self.test.p_value

    @property
    def message(self) -> str:
        """The finding in words, one line a matter."""
        return f"{self.metric} of returns by regime\n{self.table.to_string()}\nspread between regimes: {self.test}"

    def __str__(self) -> str:
        return self.message


def regime_separation(
    returns: pd.Series[float],
    regimes: pd.Series[Any],
    permutation: Permutation,
    *,
    metric: Literal["mean", "volatility", "sharpe"] = "mean",
) -> RegimeSeparation:
    """Test whether returns differ between regimes by more than they do between regimes out of step.

    Parameters
    ----------
    returns : Series, shape (T,), T >= 30
        Returns as decimals per row, of the market, a sleeve or a strategy. Leave out row 0 of a ledger.
    regimes : Series, shape (T,)
        Label of each row, *already aligned to the row whose return it governs*, as in
        `allocopt.backtests.metrics.by_regime`. At least two rows of each kind.
    permutation : CircularShift, BlockShuffle or PlainShuffle
        As in `regime_permutation`.
    metric : {"mean", "volatility", "sharpe"}, default "mean"
        Figure of each regime's rows: mean return, deviation (ddof 1), or their ratio; per row, not annualised.

    Returns
    -------
    RegimeSeparation
        The p-value of the spread, and every regime with its own.

    Raises
    ------
    InputError
        A return or a label is missing or infinite; one kind of label only; a regime with one row; returns that do not
        vary within a regime.
    LabelError, ShapeError
        Not Series by the same ascending dates, or fewer than 30 rows.
    SpecificationError
        As in `regime_permutation`; an unknown metric.

    Notes
    -----
    Labels made from the market's own past volatility will separate its volatility; whether they separate its mean is
    another matter. The p-values by regime are not adjusted for the number of regimes; that of the spread needs no
    adjustment.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.statistics import CircularShift, regime_separation
    >>> days = pd.bdate_range("2015-01-01", periods=1000)
    >>> regimes = pd.Series(np.where(np.arange(1000) // 50 % 3 > 0, "calm", "storm"), days)
    >>> returns = pd.Series(np.random.default_rng(1).normal(0.0, 0.01, 1000), days)
    >>> regime_separation(returns, regimes, CircularShift(seed=7)).p_value > 0.05
    True
    """
    require_option(metric, ("mean", "volatility", "sharpe"), "metric")
    require_kind(returns, pd.Series, "the stream of returns")
    codes, labels = read_labels(regimes)
    require_permutation(permutation, len(codes))
    values = _read(returns, regimes)
    bars = np.bincount(codes)
    if bars.min() < 2:
        raise InputError(
            "a regime has one row",
            where=f"regime {labels[int(bars.argmin())]!r}",
            remedy="merge it with another one: nothing varies within one row",
        )
    ways = [codes, *(codes[order] for order in orders(permutation, len(codes)))]
    figures = np.array([_by_code(values, way, bars, metric) for way in ways])
    share = bars / len(codes)
    spread = np.sqrt(((figures - (figures @ share)[:, None]) ** 2) @ share)
    # Around the mean of all, the observed figure among them: each labelling is then treated alike.
    distance = np.abs(figures - figures.mean(axis=0))
    p_values = [judge(distance[:, k], False, permutation, len(codes)).p_value for k in range(len(labels))]
    table = pd.DataFrame(
        {
            "bars": bars,
            metric: figures[0],
            "expected": figures.mean(axis=0),
            "standard_error": figures[1:].std(axis=0, ddof=1),
            "p_value": p_values,
        },
        index=pd.Index(labels, name="regime"),
    )
    return RegimeSeparation(test=judge(spread, False, permutation, len(codes)), table=table, metric=metric)


def _by_code(values: FloatArray, codes: IntArray, bars: IntArray, metric: str) -> FloatArray:
    means = np.bincount(codes, values) / bars
    if metric == "mean":
        return means
    deviations = np.sqrt(np.bincount(codes, (values - means[codes]) ** 2) / (bars - 1))
    if metric == "volatility":
        return deviations
    if not deviations.min() > 0.0:
        raise InputError(
            "returns do not vary within a regime, so it has no Sharpe ratio",
            remedy="take metric='mean', or merge regimes in which nothing is held",
        )
    ratios: FloatArray = means / deviations
    return ratios


def _read(returns: pd.Series[float], regimes: pd.Series[Any]) -> FloatArray:
    if not returns.index.equals(regimes.index):
        differ = returns.index.symmetric_difference(regimes.index)
        raise LabelError(
            "the returns have other dates than the regimes",
            where=day(differ[0]) if len(differ) else None,
            value=None if len(differ) else "same dates, other order",
            remedy="cut both to their common dates",
        )
    values = require_numbers(returns, "return")
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise InputError(
            "a return is missing or infinite",
            where=day(returns.index[row]),
            value=float(values[row]),
            remedy="mend the stream, or leave the date out of both knowingly",
        )
    if not deviation(values) > 0.0:
        raise InputError("the returns do not vary", remedy="give a stream that varies")
    return values
