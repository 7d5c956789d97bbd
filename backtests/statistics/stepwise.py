"""Which of many strategies beat the benchmark? Romano and Wolf's stepwise test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from allocopt.backtests._checks import require_option
from allocopt.backtests.statistics._competition import compete, require_reachable, shown_bootstrap, shown_names
from allocopt.backtests.statistics.stationary_bootstrap import StationaryBootstrap
from allocopt.backtests.statistics.superior_ability import recentred
from allocopt.errors import SpecificationError


@dataclass(frozen=True, kw_only=True, eq=False)
class StepwiseSuperiority:
    """Which strategies beat the benchmark. Made by `stepwise_superiority`.

    Attributes
    ----------
    table : DataFrame
        By strategy in the order given: ``mean_difference`` (decimal per row), ``standard_error``, ``t_statistic``,
        ``p_value`` (adjusted for all strategies that were tried), ``superior``.
    confidence : float
        Probability, at least, that no strategy is called superior wrongly.
    studentised : bool
        As given.
    recentring : str
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
    >>> from allocopt.backtests.statistics import StationaryBootstrap, stepwise_superiority
    >>> days = pd.bdate_range("2015-01-01", periods=1000)
    >>> returns = pd.DataFrame(np.random.default_rng(1).normal(0.0, 0.01, (1000, 30)), days)
    >>> returns[[4, 9]] += 0.0015
    >>> print(stepwise_superiority(returns, 0.0, StationaryBootstrap(seed=7)))
    2 of 30 strategies beat the benchmark, family-wise error 5 %: 4, 9
    studentised, 1000 rows
    1000 samples, mean block 1.1 rows (by Politis and White), seed 7
    """

    table: pd.DataFrame
    confidence: float
    studentised: bool
    recentring: str
    block: float
    rows: int
    bootstrap: StationaryBootstrap

    @property
    def superior(self) -> list[Any]:
        """Names of the strategies that beat the benchmark, in the order given."""
        return self.table.index[self.table["superior"].to_numpy(dtype=bool)].tolist()

    @property
    def message(self) -> str:
        """The finding in words, one line a matter."""
        return (
            f"{len(self.superior)} of {len(self.table)} strategies beat the benchmark, family-wise error "
            f"{100.0 * (1.0 - self.confidence):.3g} %: {shown_names(self.superior)}\n"
            f"{'' if self.studentised else 'not '}studentised"
            f"{', clearly worse ones left out' if self.recentring == 'consistent' else ''}, {self.rows} rows\n"
            f"{shown_bootstrap(self.block, self.bootstrap)}"
        )

    def __str__(self) -> str:
        return self.message


def stepwise_superiority(
    returns: pd.DataFrame,
    benchmark: pd.Series[float] | float,
    bootstrap: StationaryBootstrap,
    *,
    studentised: bool = True,
    recentring: Literal["all", "consistent"] = "all",
    confidence: float = 0.95,
) -> StepwiseSuperiority:
    """Name the strategies that beat the benchmark, with the probability of any false name held below a limit.

    Romano and Wolf's StepM. The reality check only says whether any strategy does. Here those that clear the critical
    value are taken out, the critical value of the rest is found anew, and so on until none clears it.

    Parameters
    ----------
    returns, benchmark, bootstrap
        As in `reality_check`.
    studentised : bool, default True
        Whether differences are divided by their standard errors.
    recentring : {"all", "consistent"}, default "all"
        "all": as in the paper. "consistent": strategies clearly worse than the benchmark do not count, as in
        `superior_ability`; more powerful where many are bad (Hsu, Hsu and Kuan's step-SPA, and what
        ``arch.bootstrap.StepM`` does, unstudentised).
    confidence : float, default 0.95
        One less the limit on the probability of one or more false names (family-wise error rate).

    Returns
    -------
    StepwiseSuperiority
        Every strategy with its adjusted p-value, and whether it is superior.

    Raises
    ------
    InputError, LabelError, ShapeError
        As in `reality_check`.
    SpecificationError
        As in `reality_check`; or an unknown word, or a confidence that the replications cannot reach.

    Notes
    -----
    With the statistics in descending order, the adjusted p-value of the j-th is the share of samples whose largest
    statistic among the j-th and all below it exceeds its own, or the p-value before it if that is higher. It is at most
    ``1 - confidence`` exactly where the steps reject. The standard errors are those of the data in every sample; the
    paper's section 4 studentises each sample by its own.

    References
    ----------
    J. P. Romano and M. Wolf, "Stepwise Multiple Testing as Formalized Data Snooping", Econometrica 73 (2005), sections
    3 and 4; adjusted p-values: the same, "Efficient Computation of Adjusted p-Values for Resampling-Based
    Stepdown Multiple Testing", Statistics & Probability Letters 113 (2016). P.-H. Hsu, Y.-C. Hsu and C.-M. Kuan,
    "Testing the Predictive Ability of Technical Analysis Using a New Stepwise Test without Data Snooping Bias", Journal
    of Empirical Finance 17 (2010).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from allocopt.backtests.statistics import StationaryBootstrap, stepwise_superiority
    >>> days = pd.bdate_range("2015-01-01", periods=1000)
    >>> returns = pd.DataFrame(np.random.default_rng(1).normal(0.0, 0.01, (1000, 30)), days)
    >>> returns[[4, 9]] += 0.0015
    >>> stepwise_superiority(returns, 0.0, StationaryBootstrap(seed=7)).superior
    [4, 9]
    """
    if not isinstance(studentised, bool):
        raise SpecificationError("studentised is not a bool", value=studentised, remedy="pass True or False")
    require_option(recentring, ("all", "consistent"), "recentring")
    field = compete(returns, benchmark, bootstrap)
    level = 1.0 - require_reachable(confidence, bootstrap.replications)
    scale = 1.0 / field.errors if studentised else np.full(len(field.means), math.sqrt(field.rows))
    statistics = field.means * scale
    order = np.argsort(-statistics, kind="stable")
    drawn = recentred(field, "upper" if recentring == "all" else "consistent", scale)[:, order]
    largest_below = np.maximum.accumulate(drawn[:, ::-1], axis=1)[:, ::-1]
    shares = (largest_below > statistics[order]).mean(axis=0)
    adjusted = np.empty_like(shares)
    adjusted[order] = np.maximum.accumulate(shares)
    table = field.table()
    table["p_value"] = adjusted
    table["superior"] = adjusted <= level + 1e-12
    return StepwiseSuperiority(
        table=table,
        confidence=confidence,
        studentised=studentised,
        recentring=recentring,
        block=field.block,
        rows=field.rows,
        bootstrap=bootstrap,
    )
