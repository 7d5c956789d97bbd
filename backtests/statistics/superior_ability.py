"""Is the best of many strategies better than the benchmark? White's reality check and Hansen's test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from allocopt.backtests.statistics._competition import Competition, compete, shown_bootstrap, shown_p
from allocopt.backtests.statistics._pair import FloatArray
from allocopt.backtests.statistics.stationary_bootstrap import StationaryBootstrap
from allocopt.errors import SpecificationError


@dataclass(frozen=True, kw_only=True, eq=False)
class RealityCheck:
    """What White's reality check found. Made by `reality_check`.

    Attributes
    ----------
    p_value : float
        Of the hypothesis that no strategy has a higher mean return than the benchmark. A share of replications: 0.0
        says that it is below ``1 / replications``.
    statistic : float
        Root n times the largest mean difference, in decimals per row.
    best : hashable
        The strategy with the largest mean difference.
    table : DataFrame
        By strategy in the order given: ``mean_difference`` (mean return less that of the benchmark, decimal per row),
        ``standard_error`` (of it), ``t_statistic`` (their ratio, for that strategy alone).
    block : float
        Mean block length used, in rows.
    rows : int
        Number of rows, n.
    bootstrap : StationaryBootstrap
        As given.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.statistics import StationaryBootstrap, reality_check
    >>> days = pd.bdate_range("2015-01-01", periods=1000)
    >>> noise = pd.DataFrame(np.random.default_rng(1).normal(0.0, 0.01, (1000, 30)), days)
    >>> print(reality_check(noise, 0.0, StationaryBootstrap(seed=7)))
    best of 30 strategies: 28, t = 1.99 for it alone
    reality check: p = 0.529, 1000 rows
    1000 samples, mean block 1.1 rows (by Politis and White), seed 7
    """

    p_value: float
    statistic: float
    best: Any
    table: pd.DataFrame
    block: float
    rows: int
    bootstrap: StationaryBootstrap

    @property
    def message(self) -> str:
        """The finding in words, one line a matter."""
        p = shown_p(self.p_value, self.bootstrap.replications)
        return (
            f"{_head(self.table, self.best)}\nreality check: p {'' if p[0] == '<' else '= '}{p}, {self.rows} rows\n"
            f"{shown_bootstrap(self.block, self.bootstrap)}"
        )

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, kw_only=True, eq=False)
class SuperiorAbility:
    """What Hansen's test of superior predictive ability found. Made by `superior_ability`.

    Attributes
    ----------
    lower, consistent, upper : float
        P-values of the hypothesis that no strategy has a higher mean return than the benchmark; `consistent` is the
        answer, the others enclose it. Shares of replications: 0.0 says below ``1 / replications``.
    statistic : float
        Largest t statistic; without studentising, root n times the largest mean difference per row.
    best : hashable
        The strategy that has it.
    table : DataFrame
        As in `RealityCheck`, and ``relevant``: whether the consistent p-value recentres the strategy, that is, whether
        it is not too far below the benchmark to matter.
    maxima : DataFrame, shape (replications, 3)
        Largest resampled statistic in each replication, columns ``lower``, ``consistent``, ``upper``, in the unit of
        `statistic`.
    studentised : bool
        As given.
    block : float
        Mean block length used, in rows.
    rows : int
        Number of rows, n.
    bootstrap : StationaryBootstrap
        As given.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.statistics import StationaryBootstrap, superior_ability
    >>> days = pd.bdate_range("2015-01-01", periods=1000)
    >>> returns = pd.DataFrame(np.random.default_rng(1).normal(0.0, 0.01, (1000, 30)), days)
    >>> returns[4] += 0.0015
    >>> print(superior_ability(returns, 0.0, StationaryBootstrap(seed=7)))
    best of 30 strategies: 4, t = 5.07 for it alone
    superior ability: p < 0.001 (lower < 0.001, upper < 0.001), studentised, 1000 rows
    1000 samples, mean block 1.1 rows (by Politis and White), seed 7
    """

    lower: float
    consistent: float
    upper: float
    statistic: float
    best: Any
    table: pd.DataFrame
    maxima: pd.DataFrame
    studentised: bool
    block: float
    rows: int
    bootstrap: StationaryBootstrap

    @property
    def p_value(self) -> float:
        """The consistent p-value."""
        return self.consistent

    @property
    def message(self) -> str:
        """The finding in words, one line a matter."""
        least, middle, most = (
            shown_p(p, self.bootstrap.replications) for p in (self.lower, self.consistent, self.upper)
        )
        return (
            f"{_head(self.table, self.best)}\nsuperior ability: p {'' if middle[0] == '<' else '= '}{middle} "
            f"(lower {least}, upper {most}), {'' if self.studentised else 'not '}studentised, {self.rows} rows\n"
            f"{shown_bootstrap(self.block, self.bootstrap)}"
        )

    def __str__(self) -> str:
        return self.message


def reality_check(
    returns: pd.DataFrame, benchmark: pd.Series[float] | float, bootstrap: StationaryBootstrap
) -> RealityCheck:
    """Test whether the best of many strategies beats the benchmark, given that it was picked for being the best.

    The p-value is the share of bootstrap samples in which luck alone, over all strategies at once, gives a best mean
    difference above the one found. Give every strategy that was tried, not only those that were kept.

    Parameters
    ----------
    returns : DataFrame, shape (n, k), n >= 30
        Returns as decimals per row, one column a strategy, rows ascending by date. Leave out rows without a period,
        such as row 0 of a ledger.
    benchmark : Series, shape (n,), or float
        Returns of the benchmark on the same dates; or one return per row, 0.0 for an account that stands still.
    bootstrap : StationaryBootstrap
        Samples and seed. The block length "politis-white" is the median over the strategies of the length that suits
        the mean of its difference to the benchmark, at least 1 row, at most n / 10.

    Returns
    -------
    RealityCheck
        The p-value, the best strategy, and every strategy's difference with its standard error.

    Raises
    ------
    InputError
        A return is missing, infinite or below -1 (its date and strategy); a strategy is the benchmark itself, or
        differs from it by the same number on every row.
    LabelError
        Dates are out of order, or differ from those of the benchmark; a strategy is there twice.
    ShapeError
        Not a DataFrame, or fewer than 30 rows.
    SpecificationError
        The benchmark is neither a Series nor a number, or the rows hold fewer than 10 blocks.

    See Also
    --------
    superior_ability : studentised, and not weakened by adding bad strategies.

    Notes
    -----
    The loss is minus the return, so the test is of mean returns. ``V = max_k sqrt(n) d_k`` with d_k the mean
    difference is compared with ``V* = max_k sqrt(n) (d*_k - d_k)``: no studentising, every strategy recentred. This is
    the "upper" p-value of ``arch.bootstrap.RealityCheck``, and equal to it for the same seed and block length. Adding
    strategies that are worse than the benchmark makes the test weaker, for all of them count as if they were as good.

    References
    ----------
    H. White, "A Reality Check for Data Snooping", Econometrica 68 (2000), section 2.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.statistics import StationaryBootstrap, reality_check
    >>> days = pd.bdate_range("2015-01-01", periods=1000)
    >>> noise = pd.DataFrame(np.random.default_rng(1).normal(0.0, 0.01, (1000, 30)), days)
    >>> found = reality_check(noise, 0.0, StationaryBootstrap(seed=7))
    >>> found.p_value, found.best
    (0.529, 28)
    """
    field = compete(returns, benchmark, bootstrap)
    root = math.sqrt(field.rows)
    best = int(field.means.argmax())
    observed = root * float(field.means[best])
    maxima = root * field.scattered.max(axis=1)
    return RealityCheck(
        p_value=_share_above(maxima, observed),
        statistic=observed,
        best=field.names[best],
        table=field.table(),
        block=field.block,
        rows=field.rows,
        bootstrap=bootstrap,
    )


def superior_ability(
    returns: pd.DataFrame,
    benchmark: pd.Series[float] | float,
    bootstrap: StationaryBootstrap,
    *,
    studentised: bool = True,
) -> SuperiorAbility:
    """Test whether the best of many strategies beats the benchmark, without being misled by the bad ones.

    Hansen's improvement of the reality check: each difference is divided by its own standard error, so that a volatile
    strategy does not hide the others, and strategies that are clearly worse than the benchmark do not count.

    Parameters
    ----------
    returns, benchmark, bootstrap
        As in `reality_check`.
    studentised : bool, default True
        Whether differences are divided by their standard errors, as in the paper.

    Returns
    -------
    SuperiorAbility
        The consistent p-value between its lower and upper bound, the best strategy, and every strategy's t statistic.

    Raises
    ------
    InputError, LabelError, ShapeError, SpecificationError
        As in `reality_check`; or `studentised` is not True or False.

    Notes
    -----
    With d_k the mean difference (loss: minus the return) and w_k the long-run deviation of strategy k,
    ``T = max_k sqrt(n) d_k / w_k`` is compared with ``T* = max_k sqrt(n) (d*_k - g(d_k)) / w_k``. The three p-values
    differ in g: lower ``max(d, 0)``; consistent ``d`` where ``sqrt(n) d / w >= -sqrt(2 log log n)`` and 0 elsewhere;
    upper ``d``. The deviation is the one the stationary bootstrap has for infinitely many samples. The paper also
    takes the larger of T and 0; that is left out, on both sides, so that a best strategy below the benchmark has a
    large p-value.

    ``arch.bootstrap.SPA`` up to 8.0 takes ``studentize`` but computes the same p-values with and without it. They
    equal those here with ``studentised=False`` and the same seed and block length; those with ``studentised=True``
    equal arch's on differences that were divided by their deviations first.

    References
    ----------
    P. R. Hansen, "A Test for Superior Predictive Ability", Journal of Business & Economic Statistics 23 (2005),
    sections 2 and 3.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.statistics import StationaryBootstrap, superior_ability
    >>> days = pd.bdate_range("2015-01-01", periods=1000)
    >>> returns = pd.DataFrame(np.random.default_rng(1).normal(0.0, 0.01, (1000, 30)), days)
    >>> returns[4] += 0.001
    >>> found = superior_ability(returns, 0.0, StationaryBootstrap(seed=7))
    >>> found.best, found.lower, found.consistent, found.upper
    (4, 0.002, 0.005, 0.005)
    """
    if not isinstance(studentised, bool):
        raise SpecificationError("studentised is not a bool", value=studentised, remedy="pass True or False")
    field = compete(returns, benchmark, bootstrap)
    scale = 1.0 / field.errors if studentised else np.full(len(field.means), math.sqrt(field.rows))
    statistics = field.means * scale
    best = int(statistics.argmax())
    maxima = pd.DataFrame({name: recentred(field, name, scale).max(axis=1) for name in RECENTRINGS})
    p = {name: _share_above(maxima[name].to_numpy(), float(statistics[best])) for name in RECENTRINGS}
    table = field.table()
    table["relevant"] = field.relevant
    return SuperiorAbility(
        **p,
        statistic=float(statistics[best]),
        best=field.names[best],
        table=table,
        maxima=maxima,
        studentised=studentised,
        block=field.block,
        rows=field.rows,
        bootstrap=bootstrap,
    )


#: Which strategies are recentred to be exactly as good as the benchmark.
RECENTRINGS = ("lower", "consistent", "upper")


def recentred(field: Competition, recentring: str, scale: FloatArray) -> FloatArray:
    """Resampled statistics of every strategy, shape (replications, k), under one of the three recentrings."""
    if recentring == "upper":
        return field.scattered * scale
    # What is not recentred keeps its distance below the benchmark.
    kept = field.means < 0.0 if recentring == "lower" else ~field.relevant
    return (field.scattered + np.where(kept, field.means, 0.0)) * scale


def _share_above(maxima: FloatArray, observed: float) -> float:
    return float(np.count_nonzero(maxima > observed)) / maxima.size


def _head(table: pd.DataFrame, best: Any) -> str:
    t = float(table["t_statistic"].loc[best])
    return f"best of {len(table)} strategies: {best}, t = {t:.2f} for it alone"
