"""Does the regime carry information? A strategy's figure with the labels as they are, and with labels out of step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day, plain, require_dates, require_kind
from allocopt.backtests.statistics._pair import FEWEST_ROWS, FloatArray, IntArray
from allocopt.backtests.statistics.label_permutations import Permutation, orders, require_permutation
from allocopt.backtests.studies.sweeps import run_all
from allocopt.errors import InputError, ShapeError

#: A permuted figure is at least as good as the observed one if it falls short by rounding: this part of its size.
_ROUNDING: Final = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class RegimePermutation:
    """A figure with the real labels and with permuted ones. Made by `regime_permutation`.

    Attributes
    ----------
    observed : float
        The figure with the labels as they are.
    permuted : array, shape (permutations,)
        The figure with permuted labels.
    p_value : float
        ``(1 + #{permuted at least as good}) / (1 + permutations)``: of the hypothesis that the labels are
        no better than the same labels out of step.
    lower_is_better : bool
        As given.
    rows : int
        Number of labels.
    permutation : CircularShift, BlockShuffle or PlainShuffle
        As given.

    Examples
    --------
    >>> import numpy as np
    >>> from allocopt.backtests.statistics import CircularShift, RegimePermutation
    >>> made = RegimePermutation(
    ...     observed=2.0, permuted=np.array([1.0, 3.0, 0.5]), p_value=0.5, lower_is_better=False, rows=100,
    ...     permutation=CircularShift(seed=7),
    ... )
    >>> print(made)
    figure 2, with permuted labels 1.5 on average (deviation 1.323)
    p = 0.500: no better than with labels out of step at 5 %, 100 rows
    CircularShift(seed=7, permutations=999)
    """

    observed: float
    permuted: FloatArray
    p_value: float
    lower_is_better: bool
    rows: int
    permutation: Permutation

    @property
    def message(self) -> str:
        """The finding in words, one line a matter."""
        verdict = "better" if self.p_value <= 0.05 else "no better"
        return (
            f"figure {self.observed:.4g}, with permuted labels {self.permuted.mean():.4g} on average "
            f"(deviation {self.permuted.std(ddof=1):.4g})\np = {self.p_value:.3f}: {verdict} than with labels out of "
            f"step at 5 %, {self.rows} rows\n{self.permutation}"
        )

    def __str__(self) -> str:
        return self.message


def regime_permutation(
    figure: Callable[[pd.Series[Any]], float],
    regimes: pd.Series[Any],
    permutation: Permutation,
    *,
    lower_is_better: bool = False,
    n_jobs: int = 1,
    progress: bool = False,
) -> RegimePermutation:
    """Test whether a strategy's figure owes anything to its regime labels.

    The strategy is run with the labels as they are and with the same labels out of step with the market. If the label
    carries no information for the strategy, the real ones are just one of these.

    Parameters
    ----------
    figure : callable
        Takes labels and gives a number: the whole chain from regimes through scores and weights to, say, the Sharpe
        ratio of the account. It does its own move from decision to return. With ``n_jobs`` over 1 it is sent to other
        processes.
    regimes : Series, shape (T,), T >= 30
        Label of each row by ascending date, none missing, of two kinds or more. The callable gets Series with this
        index, name and dtype.
    permutation : CircularShift, BlockShuffle or PlainShuffle
        How the labels are put out of step, with the seed.
    lower_is_better : bool, default False
        Whether less of the figure is better, as of a drawdown.
    n_jobs : int, default 1
        Processes, as for joblib; -1 for one a core. The answer does not depend on it.
    progress : bool, default False
        Show a progress bar on standard error.

    Returns
    -------
    RegimePermutation
        The figure, the permuted figures and the p-value.

    Raises
    ------
    InputError
        A label is missing (its date); all labels are the same; the figure is not finite.
    LabelError, ShapeError
        Not a Series by ascending dates, or fewer than 30 rows.
    SpecificationError
        More shifts than the rows have, fewer than 10 blocks, or `n_jobs` is no number of processes.

    Notes
    -----
    The p-value is exact for labels that are stationary and independent of the market, up to the joint of the shift: it
    counts the observed labels among the permuted ones (Phipson and Smyth). Everything the strategy does besides
    looking at the label is the same in every run, so a good market does not make a good p-value.

    References
    ----------
    B. Phipson and G. K. Smyth, "Permutation P-values Should Never Be Zero", Statistical Applications in Genetics and
    Molecular Biology 9 (2010). K. D. Harris, "A Shift Test for Independence in Generic Time Series", arXiv 2012.06862
    (2020), on shifts of one series against another.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.statistics import CircularShift, regime_permutation
    >>> days = pd.bdate_range("2015-01-01", periods=1000)
    >>> calm = pd.Series(np.arange(1000) // 50 % 3 > 0, days)
    >>> returns = np.random.default_rng(1).normal(0.0, 0.01, 1000) + np.where(calm, 0.001, -0.001)
    >>> found = regime_permutation(lambda labels: returns[labels].sum(), calm, CircularShift(seed=7))
    >>> found.p_value <= 0.05
    True
    """
    codes, _ = read_labels(regimes)
    require_permutation(permutation, len(codes))
    labels = [regimes, *(_in_order(regimes, order) for order in orders(permutation, len(codes)))]
    figures = np.array(run_all(figure, labels, n_jobs=n_jobs, progress=progress, what="permutations"), dtype=np.float64)
    if figures.shape != (len(labels),) or not np.isfinite(figures).all():
        raise InputError(
            "the figure is not a finite number",
            where="the labels as they are" if not np.isfinite(figures.flat[0]) else "permuted labels",
            value=float(figures.flat[int(np.argmin(np.isfinite(figures)))]),
            remedy="give a figure that exists whatever the labels",
        )
    return judge(figures, lower_is_better, permutation, len(codes))


def read_labels(regimes: pd.Series[Any]) -> tuple[IntArray, list[Any]]:
    """Code of each label and the labels in order, checked: dates in order, none missing, two kinds or more."""
    require_kind(regimes, pd.Series, "regimes")
    dates = require_dates(regimes.index, "regimes")
    if len(dates) < FEWEST_ROWS:
        raise ShapeError(
            "there are too few labels for a test",
            value=f"{len(dates)} rows",
            remedy=f"give at least {FEWEST_ROWS} labels, better some hundred",
        )
    codes, kinds = pd.factorize(regimes)
    if (codes < 0).any():
        raise InputError(
            "the regime is missing",
            where=day(dates[int(np.argmax(codes < 0))]),
            remedy="start where the regimes start, or give the warm-up a label of its own",
        )
    labels: list[Any] = [plain(label) for label in kinds]
    if len(labels) < 2:
        raise InputError("all labels are the same", value=labels[0], remedy="give regimes that change")
    try:
        places = sorted(range(len(labels)), key=lambda i: labels[i])
    except TypeError:  # labels of several kinds have no order but that of their appearance
        return codes, labels
    return np.argsort(places)[codes], [labels[place] for place in places]


def judge(figures: FloatArray, lower_is_better: bool, permutation: Permutation, rows: int) -> RegimePermutation:
    """Compare the first figure, that of the labels as they are, with the others."""
    observed, permuted = float(figures[0]), figures[1:]
    slack = _ROUNDING * abs(observed)
    good = permuted <= observed + slack if lower_is_better else permuted >= observed - slack
    return RegimePermutation(
        observed=observed,
        permuted=permuted,
        p_value=(1 + int(np.count_nonzero(good))) / (1 + permuted.size),
        lower_is_better=lower_is_better,
        rows=rows,
        permutation=permutation,
    )


def _in_order(regimes: pd.Series[Any], order: IntArray) -> pd.Series[Any]:
    return pd.Series(regimes.array.take(order), index=regimes.index, name=regimes.name)
