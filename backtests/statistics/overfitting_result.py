"""What cross-validation of a search found, as numbers, in words, and as figures."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from allocopt.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BacktestOverfitting:
    """What combinatorially symmetric cross-validation of a search found.

    Performance is in the units of the metric, annualised for the Sharpe ratio.

    Attributes
    ----------
    splits : DataFrame
        One row a split, in the order of ``itertools.combinations``: the label `selected`, its performance `in_sample`
        and `out_of_sample`, its `rank` out of sample (1 for the worst, the number of trials for the best), and the
        `logit` of ``rank / (trials + 1)``.
    levels : DataFrame
        By performance level x, for `dominance_figure`: the share of splits with a lower performance out of sample of
        the trial `selected`; the same share of `any` trial in any split, as if drawn at random; and `second_order`,
        the integral of `any` minus `selected` up to x.
    blocks : DataFrame
        `first` and `last` date and number of `rows` of each block.
    trials : int
        Number of columns, M.
    dropped : int
        Rows at the end that no block holds.
    metric : str
        Name of the performance.
    loss_below : float
        Performance below which it counts as a loss.
    periods_per_year : float
        Rows of one year.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.statistics import backtest_overfitting
    >>> days = pd.bdate_range("2015-01-01", periods=1600)
    >>> noise = pd.DataFrame(np.random.default_rng(2).normal(0, 0.01, (1600, 20)), days)
    >>> backtest_overfitting(noise, periods_per_year=252, blocks=8)
    probability of backtest overfitting 0.600: in 42 of 70 splits the best trial in sample is no better than the median
    20 trials, 8 blocks of 200 rows
    Sharpe ratio of the selected trial: 1.03 in sample and -0.09 out of sample on average, below 0 in 57.1 % of splits
    out of sample = 0.16 - 0.24 in sample, R2 0.01
    against a trial drawn at random: no first-order dominance (worse by up to 18 points), no second-order dominance
    """

    splits: pd.DataFrame
    levels: pd.DataFrame
    blocks: pd.DataFrame
    trials: int
    dropped: int
    metric: str
    loss_below: float
    periods_per_year: float

    @property
    def probability(self) -> float:
        """PBO: share of splits whose selected trial is at or below the median out of sample (logit 0 or less)."""
        return float((self.splits["logit"].to_numpy() <= 0.0).mean())

    @property
    def probability_of_loss(self) -> float:
        """Share of splits whose selected trial performs below `loss_below` out of sample."""
        return float((self.splits["out_of_sample"].to_numpy() < self.loss_below).mean())

    @property
    def degradation(self) -> pd.Series[float]:
        """Least squares of performance out of sample on that in sample: `intercept`, `slope`, `r_squared`.

        No standard errors: the splits share their rows. NaN where all splits have the same performance in sample.
        """
        x, y = (self.splits[name].to_numpy(dtype=np.float64) for name in ("in_sample", "out_of_sample"))
        dx, dy = x - x.mean(), y - y.mean()
        across, along, vertical = float(dx @ dy), float(dx @ dx), float(dy @ dy)
        slope = across / along if along > 0.0 else math.nan
        explained = slope * across / vertical if vertical > 0.0 else math.nan
        intercept = float(y.mean()) - slope * float(x.mean())
        return pd.Series({"intercept": intercept, "slope": slope, "r_squared": explained})

    @property
    def dominates_first_order(self) -> bool:
        """Whether at every level the selected trial falls below it no more often than one drawn at random."""
        gap = (self.levels["any"] - self.levels["selected"]).to_numpy()
        return bool((gap >= -1e-12).all() and (gap > 1e-12).any())

    @property
    def largest_violation(self) -> float:
        """Most by which first-order dominance fails: share of splits, 0 where it holds at every level."""
        return max(float((self.levels["selected"] - self.levels["any"]).max()), 0.0)

    @property
    def dominates_second_order(self) -> bool:
        """Whether the selected trial is preferred to one drawn at random by whoever is averse to risk."""
        area = self.levels["second_order"].to_numpy()
        least = 1e-12 * (1.0 + float(np.abs(self.levels.index.to_numpy()).max()))
        return bool((area >= -least).all() and (area > least).any())

    @property
    def selections(self) -> pd.Series[int]:
        """In how many splits each trial was selected, most often first; trials that never were are left out."""
        return self.splits["selected"].value_counts().rename("splits")

    def in_sample_blocks(self, split: int) -> tuple[int, ...]:
        """Give the blocks that a split selects in; the others test.

        Parameters
        ----------
        split : int
            Row of `splits`.

        Returns
        -------
        tuple of int
            Rows of `blocks`.

        Raises
        ------
        SpecificationError
            There is no such split.

        Examples
        --------
        >>> import numpy as np, pandas as pd
        >>> from allocopt.backtests.statistics import backtest_overfitting
        >>> days = pd.bdate_range("2015-01-01", periods=40)
        >>> noise = pd.DataFrame(np.random.default_rng(2).normal(0, 0.01, (40, 3)), days)
        >>> backtest_overfitting(noise, periods_per_year=252, blocks=4).in_sample_blocks(5)
        (2, 3)
        """
        if not 0 <= split < len(self.splits):
            raise SpecificationError("there is no such split", value=split, remedy=f"give 0 to {len(self.splits) - 1}")
        size = len(self.blocks)
        return next(itertools.islice(itertools.combinations(range(size), size // 2), split, None))

    def logit_figure(self) -> Figure:
        """Draw the histogram of the logits: what is left of 0 is overfitting.

        Returns
        -------
        matplotlib.figure.Figure
            Save it with ``figure.savefig``.
        """
        from allocopt.backtests.statistics import overfitting_figures

        return overfitting_figures.logit_figure(self)

    def degradation_figure(self) -> Figure:
        """Draw performance out of sample against that in sample, with the fitted line.

        Returns
        -------
        matplotlib.figure.Figure
            Save it with ``figure.savefig``.
        """
        from allocopt.backtests.statistics import overfitting_figures

        return overfitting_figures.degradation_figure(self)

    def dominance_figure(self) -> Figure:
        """Draw the distribution of performance out of sample of the selected trial and of one drawn at random.

        Returns
        -------
        matplotlib.figure.Figure
            Save it with ``figure.savefig``.
        """
        from allocopt.backtests.statistics import overfitting_figures

        return overfitting_figures.dominance_figure(self)

    def figure(self) -> Figure:
        """Draw all three side by side.

        Returns
        -------
        matplotlib.figure.Figure
            Save it with ``figure.savefig``.
        """
        from allocopt.backtests.statistics import overfitting_figures

        return overfitting_figures.overfitting_figure(self)

    @property
    def message(self) -> str:
        """The finding in words."""
        logits = self.splits["logit"].to_numpy()
        rows = self.blocks["rows"]
        few, most = int(rows.min()), int(rows.max())
        left_out = f", the last {self.dropped} row{'' if self.dropped == 1 else 's'} left out" if self.dropped else ""
        fit = self.degradation
        first = f"{'' if self.dominates_first_order else 'no '}first-order dominance"
        if self.largest_violation > 1e-12:
            first += f" (worse by up to {100.0 * self.largest_violation:.2g} points)"
        second = f"{'' if self.dominates_second_order else 'no '}second-order dominance"
        line = "no fit: the same performance in every split"
        if not math.isnan(fit["slope"]):
            sign = "-" if fit["slope"] < 0.0 else "+"
            line = (
                f"out of sample = {fit['intercept']:.2f} {sign} {abs(fit['slope']):.2f} in sample, "
                f"R2 {fit['r_squared']:.2f}"
            )
        return (
            f"probability of backtest overfitting {self.probability:.3f}: in {int((logits <= 0.0).sum()):,} of "
            f"{len(logits):,} splits the best trial in sample is no better than the median\n"
            f"{self.trials} trials, {len(rows)} blocks of {few if few == most else f'{few} to {most}'} rows{left_out}\n"
            f"{self.metric} of the selected trial: {self.splits['in_sample'].mean():.2f} in sample and "
            f"{self.splits['out_of_sample'].mean():.2f} out of sample on average, below {self.loss_below:g} in "
            f"{100.0 * self.probability_of_loss:.1f} % of splits\n"
            f"{line}\n"
            f"against a trial drawn at random: {first}, {second}"
        )

    def __repr__(self) -> str:
        return self.message
