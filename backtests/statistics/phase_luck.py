"""How much of a result is the day on which it was re-set? Luck of the phase, from a sweep over all phases."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from allocopt.backtests._checks import require_kind
from allocopt.backtests.metrics._numbers import deviation
from allocopt.backtests.statistics._pair import FloatArray
from allocopt.backtests.statistics.methods import whole
from allocopt.backtests.studies.sweeps import Sweep
from allocopt.errors import InputError, ShapeError, SpecificationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Two phases have a spread but no middle.
_FEWEST: Final = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class PhaseLuck:
    """Where the chosen phase stands among all phases of its schedule. Made by `phase_luck`.

    Attributes
    ----------
    metric : str
        The figure.
    figures : Series
        It, by phase, in the order of the sweep and in the unit of the figure, as all below.
    chosen : hashable
        The chosen phase.
    lower_is_better : bool
        Whether less of the figure is better.

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.statistics import phase_luck
    >>> from allocopt.backtests.studies import Sweep
    >>> phases = pd.DataFrame({"total_return": [0.10, 0.16, 0.40, 0.12, 0.22]}, pd.Index(range(5), name="phase"))
    >>> print(phase_luck(Sweep(phases, 2)))
    total_return of phase 2: 0.4, rank 1 of 5 (1 as good or better, 20 %)
    luck 0.24: median 0.16, lowest 0.1, highest 0.4
    standard error of timing 0.121, luck is 1.99 of it
    best of 5 equal phases expected at 0.3405
    """

    metric: str
    figures: pd.Series[float]
    chosen: Hashable
    lower_is_better: bool

    @property
    def value(self) -> float:
        """The figure of the chosen phase."""
        return float(self.figures.to_numpy()[self.figures.index == self.chosen][0])

    @property
    def median(self) -> float:
        """The figure that a phase picked at random has in the middle of cases."""
        return float(self.figures.median())

    @property
    def luck(self) -> float:
        """What the chosen phase has over the median: positive is good luck, also where less of the figure is better."""
        return (self.median - self.value) if self.lower_is_better else (self.value - self.median)

    @property
    def standard_error(self) -> float:
        """Deviation across the phases (ddof 1): the standard error of timing of any one phase."""
        values: FloatArray = np.array(self.figures, dtype=np.float64)
        return deviation(values)

    @property
    def rank(self) -> int:
        """Rank of the chosen phase, 1 for the best; equal ones share it."""
        return 1 + int(((self.figures < self.value) if self.lower_is_better else (self.figures > self.value)).sum())

    @property
    def share(self) -> float:
        """Part of the phases that are as good as the chosen one or better, itself among them.

        The chance that a phase picked without looking does so well: a p-value of the choice, if it was made by luck.
        """
        good = (self.figures <= self.value) if self.lower_is_better else (self.figures >= self.value)
        return float(good.mean())

    @property
    def best(self) -> float:
        """The best figure of any phase."""
        return float(self.figures.min() if self.lower_is_better else self.figures.max())

    @property
    def expected_best(self) -> float:
        """What the best phase is expected to have if all are equally good and differ by normal luck.

        The mean plus `expected_largest` deviations (minus, where less is better). Phases share the market and are
        correlated; the deviation across them is that of what they do not share, so the formula needs no independence,
        only that they are exchangeable.
        """
        reach = expected_largest(len(self.figures)) * self.standard_error
        mean = float(self.figures.mean())
        return mean - reach if self.lower_is_better else mean + reach

    def table(self) -> pd.Series[float]:
        """Give the numbers as a Series, for a table of several figures.

        Examples
        --------
        >>> import pandas as pd
        >>> from allocopt.backtests.statistics import phase_luck
        >>> from allocopt.backtests.studies import Sweep
        >>> phases = pd.DataFrame({"total_return": [0.10, 0.16, 0.40, 0.12, 0.22]}, pd.Index(range(5), name="phase"))
        >>> phase_luck(Sweep(phases, 2)).table()[["phases", "chosen", "median", "luck", "rank"]].round(3).tolist()
        [5.0, 0.4, 0.16, 0.24, 1.0]
        """
        given = {
            "phases": float(len(self.figures)),
            "chosen": self.value,
            "median": self.median,
            "luck": self.luck,
            "standard_error": self.standard_error,
            "rank": float(self.rank),
            "share": self.share,
            "best": self.best,
            "expected_best": self.expected_best,
        }
        return pd.Series(given, name=self.metric, dtype=float)

    def figure(self) -> Figure:
        """Draw every phase's figure, the chosen one marked, with the median and one standard error to either side.

        Examples
        --------
        >>> import pandas as pd
        >>> from allocopt.backtests.statistics import phase_luck
        >>> from allocopt.backtests.studies import Sweep
        >>> phases = pd.DataFrame({"total_return": [0.10, 0.16, 0.40, 0.12, 0.22]}, pd.Index(range(5), name="phase"))
        >>> phase_luck(Sweep(phases, 2)).figure().axes[0].get_ylabel()
        'total_return'
        """
        from allocopt.backtests.statistics._phase_figure import phase_figure

        return phase_figure(self)

    @property
    def message(self) -> str:
        """The finding in words, one line a matter."""
        count = len(self.figures)
        alike = round(self.share * count)
        error = self.standard_error
        ratio = f", luck is {self.luck / error:.2f} of it" if error > 0.0 else ""
        return (
            f"{self.metric} of phase {self.chosen}: {self.value:.4g}, rank {self.rank} of {count} "
            f"({alike} as good or better, {100.0 * self.share:.3g} %)\n"
            f"luck {self.luck:.4g}: median {self.median:.4g}, lowest {self.figures.min():.4g}, "
            f"highest {self.figures.max():.4g}\nstandard error of timing {error:.3g}{ratio}\n"
            f"best of {count} equal phases expected at {self.expected_best:.4g}"
        )

    def __str__(self) -> str:
        return self.message


def phase_luck(sweep: Sweep, metric: str | None = None) -> PhaseLuck:
    """Say how much of a figure is the luck of the phase: the day of the week or month on which weights are re-set.

    Two accounts that differ only in that day hold the same strategy. What lies between them is no skill, and the
    deviation across all phases is an error that the figure of any one of them has.

    Parameters
    ----------
    sweep : Sweep
        From `allocopt.backtests.studies.phase_sweep`: one row a phase. At least three.
    metric : str, optional
        A column of the sweep. Default: the one that it ranks by.

    Returns
    -------
    PhaseLuck
        Luck, rank, share, standard error of timing and the expected best, with a figure.

    Raises
    ------
    InputError
        A phase has no finite figure: the phase.
    ShapeError
        Not a Sweep, or fewer than three phases.
    SpecificationError
        The metric is no column.

    Notes
    -----
    The error of timing comes on top of that of the market. An account split evenly over the phases (tranches) has no
    phase; its figure is not the mean of the phases' figures, but near it for returns.

    References
    ----------
    C. Hoffstein, N. Faber and S. Braun, "Rebalance Timing Luck: The Dumb (Timing) Luck of Smart Beta" (2020).

    Examples
    --------
    >>> import pandas as pd
    >>> from allocopt.backtests.statistics import phase_luck
    >>> from allocopt.backtests.studies import Sweep
    >>> phases = pd.DataFrame({"total_return": [0.10, 0.16, 0.40, 0.12, 0.22]}, pd.Index(range(5), name="phase"))
    >>> found = phase_luck(Sweep(phases, 2))
    >>> round(found.luck, 3), found.rank, found.share, round(found.standard_error, 3)
    (0.24, 1, 0.2, 0.121)
    """
    require_kind(sweep, Sweep, "the sweep")
    name = sweep.metric if metric is None else metric
    if name not in sweep.table.columns:
        raise SpecificationError(
            "the metric is no figure of the runs", value=name, remedy=f"one of {list(sweep.table.columns)}"
        )
    figures = sweep.table[name].astype(float)
    if len(figures) < _FEWEST:
        raise ShapeError("there are too few phases", value=len(figures), remedy=f"sweep over {_FEWEST} or more")
    finite = np.isfinite(figures.to_numpy())
    if not finite.all():
        worst = int(np.argmin(finite))
        raise InputError(
            f"a phase has no {name}",
            where=f"phase {figures.index[worst]}",
            value=float(figures.iloc[worst]),
            remedy="mend that run, or take another figure",
        )
    return PhaseLuck(metric=name, figures=figures, chosen=sweep.chosen, lower_is_better=name in sweep.lower_is_better)


def expected_largest(count: int) -> float:
    """Give the expected largest of independent standard normal numbers: how good the best of equals looks.

    Parameters
    ----------
    count : int
        How many, at least 1.

    Returns
    -------
    float
        In deviations, by numerical integration of ``1 - F(x)^n - F(-x)^n`` over x from 0 up.

    Raises
    ------
    SpecificationError
        Not a whole number of at least 1.

    References
    ----------
    H. L. Harter, "Expected Values of Normal Order Statistics", Biometrika 48 (1961), table 1.

    Examples
    --------
    >>> from allocopt.backtests.statistics import expected_largest
    >>> [round(expected_largest(count), 5) for count in (1, 2, 5, 10, 100)]
    [0.0, 0.56419, 1.16296, 1.53875, 2.50759]
    """
    from scipy.special import log_ndtr

    whole(count, 1, "count", "count the tries")
    # E max = integral over x > 0 of P(max > x) - P(max < -x), which is an even function of x and smooth, so that the
    # trapezoidal rule is exact to rounding; beyond 40 nothing is left for any count of floats.
    x = np.linspace(0.0, 40.0, 801)
    above = -np.expm1(count * log_ndtr(x))
    return float(np.trapezoid(above - np.exp(count * log_ndtr(-x)), x)) if count > 1 else 0.0
