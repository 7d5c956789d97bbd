"""Sweeps: how much of a result is the phase of its schedule, its costs, or a parameter that never binds."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from allocopt.backtests._checks import plain
from allocopt.backtests.accounting import Execution, account_grid
from allocopt.backtests.metrics import annual_return, calmar_ratio, max_drawdown, total_return
from allocopt.backtests.schedules import Schedule, schedule_from
from allocopt.charging import scaled
from allocopt.errors import InputError, SpecificationError

Specification = TypeVar("Specification")

#: Multiples of its costs at which a strategy is run.
MULTIPLIERS = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0)

#: Figures of which less is better.
LOWER_IS_BETTER = frozenset({"max_drawdown", "turnover", "turnover_per_year"})


@dataclass(frozen=True, eq=False)
class Sweep:
    """Figures of a strategy at every value of one setting, and where the chosen value stands among them.

    Attributes
    ----------
    table : DataFrame
        One row a value of the setting, one column a figure.
    chosen : hashable
        The value that was chosen, a row of the table.
    metric : str
        Column that values are ranked by.
    lower_is_better : frozenset of str
        Figures of which less is better; of all others more is.
    """

    table: pd.DataFrame
    chosen: Hashable
    metric: str = "total_return"
    lower_is_better: frozenset[str] = LOWER_IS_BETTER

    def __post_init__(self) -> None:
        if self.metric not in self.table.columns:
            raise SpecificationError(
                "the metric is no figure of the runs", value=self.metric, remedy=f"one of {list(self.table.columns)}"
            )
        if self.chosen not in self.table.index:
            raise SpecificationError(
                "the chosen value is none of those swept over",
                value=plain(self.chosen),
                remedy=f"one of {self.table.index.tolist()[:8]}",
            )

    @property
    def ranks(self) -> pd.Series[int]:
        """Rank of every value by `metric`, 1 for the best; equal ones share it, those without a figure come last."""
        return self._ranks(self.metric)

    @property
    def rank(self) -> int:
        """Rank of the chosen value, 1 for the best."""
        return int(self.ranks.to_numpy()[self._row])

    @property
    def summary(self) -> pd.Series[Any]:
        """Number of values, minimum, median and maximum of the metric, the chosen value's own, and its rank."""
        return pd.Series(self._summary(self.metric), name=self.metric, dtype=object)

    @property
    def summaries(self) -> pd.DataFrame:
        """`summary` of every figure, one row each. Rank 1 is the best: of drawdown and turnover the lowest."""
        found = {metric: self._summary(metric) for metric in self.table.columns}
        return pd.DataFrame.from_dict(found, orient="index").astype({"values": "int64", "rank": "int64"})

    def _summary(self, metric: str) -> dict[str, Any]:
        values = self.table[metric]
        return {
            "values": len(values),
            "min": float(values.min()),
            "median": float(values.median()),
            "max": float(values.max()),
            "chosen": float(values.to_numpy()[self._row]),
            "rank": int(self._ranks(metric).to_numpy()[self._row]),
        }

    @property
    def _row(self) -> int:
        return int(np.flatnonzero(self.table.index == self.chosen)[0])

    def _ranks(self, metric: str) -> pd.Series[int]:
        ascending = metric in self.lower_is_better
        ranks = self.table[metric].rank(ascending=ascending, method="min", na_option="bottom")
        return ranks.astype("int64").rename("rank")

    def __repr__(self) -> str:
        s = self.summary
        return (
            f"Sweep({s['values']} values of {self.table.index.name}, {self.metric} {s['min']:.4g} to {s['max']:.4g}, "
            f"median {s['median']:.4g}; chosen {self.chosen}: {s['chosen']:.4g}, rank {s['rank']})"
        )


def curve_figures(equity: pd.Series[float], turnover: pd.Series[float], *, periods_per_year: float) -> dict[str, float]:
    """Figures by which runs of a sweep are compared.

    Parameters
    ----------
    equity, turnover : Series, shape (T,)
        As on a `Ledger`. Turnover is summed over the rows after the first.
    periods_per_year : float
        Rows a year.

    Returns
    -------
    dict
        ``total_return``, ``annualized_return`` (compounded over ``(T - 1) / periods_per_year`` years),
        ``max_drawdown`` (positive), ``calmar``, ``turnover_per_year``, ``turnover``: decimals.

    Examples
    --------
    >>> import pandas as pd
    >>> dates = pd.date_range("2023-01-01", periods=3, freq="YS")
    >>> found = curve_figures(pd.Series([1.0, 0.9, 1.21], dates), pd.Series([0.0, 1.0, 0.5], dates), periods_per_year=1)
    >>> {name: round(value, 4) for name, value in found.items()}["annualized_return"]
    0.1
    """
    traded = float(turnover.iloc[1:].sum())
    return {
        "total_return": total_return(equity),
        "annualized_return": annual_return(equity, periods_per_year=periods_per_year),
        "max_drawdown": max_drawdown(equity),
        "calmar": calmar_ratio(equity, periods_per_year=periods_per_year),
        "turnover_per_year": traded / ((len(equity) - 1) / periods_per_year),
        "turnover": traded,
    }


def phase_sweep(
    run: Callable[[Schedule], Mapping[str, float]],
    schedule: str | Schedule,
    index: pd.DatetimeIndex,
    *,
    metric: str = "total_return",
    n_jobs: int = 1,
    progress: bool = False,
) -> Sweep:
    """Run a strategy at every phase of its schedule: the luck of the day on which it rebalances.

    Parameters
    ----------
    run : callable
        Takes a schedule and gives the figures of the strategy that follows it. With ``n_jobs`` over 1 it is sent to
        other processes together with the data that it holds.
    schedule : str or Schedule
        The chosen schedule; its `phases` are run.
    index : DatetimeIndex
        Rows of the study, which phases of a calendar depend on.
    metric : str, default "total_return"
        Figure to rank by.
    n_jobs : int, default 1
        Processes, as for joblib; -1 for one a core. Figures do not depend on it.
    progress : bool, default False
        Show a progress bar on standard error.

    Returns
    -------
    Sweep
        One row a phase, labelled by the phase's schedule.

    References
    ----------
    C. Hoffstein, N. Faber and S. Braun, "Rebalance Timing Luck: The Dumb (Timing) Luck of Smart Beta" (2020).

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2024-01-01", periods=40)
    >>> found = phase_sweep(lambda when: {"total_return": float(when.rows(days).argmax())}, "every 3", days)
    >>> found.table["total_return"].tolist(), found.rank
    ([0.0, 1.0, 2.0], 3)
    """
    chosen = schedule_from(schedule)
    phases = chosen.phases(index)
    figures = run_all(run, phases, n_jobs=n_jobs, progress=progress, what="phases")
    table = pd.DataFrame(figures, index=pd.Index([phase.label for phase in phases], name="phase"))
    return Sweep(table, chosen.label, metric)


def cost_sweep(
    weights: pd.DataFrame,
    prices: pd.DataFrame | None = None,
    execution: Execution | None = None,
    *,
    periods_per_year: float,
    multipliers: Sequence[float] = MULTIPLIERS,
    metric: str = "total_return",
    returns: pd.DataFrame | None = None,
    exposure: float | pd.Series = 1.0,
    funding: pd.DataFrame | None = None,
    capital: float = 1.0,
) -> Sweep:
    """Run the same decisions at multiples of their costs, in one call to the accounting.

    Parameters
    ----------
    weights, prices, execution, returns, exposure, funding, capital
        As for `account`; ``execution`` has costs.
    periods_per_year : float
        Rows a year.
    multipliers : sequence of float
        Factors on every cost, at least 0; 1.0, the costs as they are, is always run.
    metric : str, default "total_return"
        Figure to rank by.

    Returns
    -------
    Sweep
        Figures of `curve_figures` by multiplier; the chosen one is 1.0.

    Raises
    ------
    SpecificationError
        For an execution without costs, or a multiplier that is negative, not finite or given twice.
    InputError
        If a run goes bankrupt: its multiplier.

    Examples
    --------
    >>> import pandas as pd
    >>> import allocopt
    >>> dates = pd.date_range("2024-01-01", periods=3)
    >>> prices = pd.DataFrame({"A": [10.0, 11.0, 12.0]}, index=dates)
    >>> weights = pd.DataFrame({"A": [0.9, 0.0, 0.0]}, index=dates)
    >>> costs = Execution(costs=allocopt.ProportionalCost(0.001))
    >>> found = cost_sweep(weights, prices, costs, periods_per_year=365, multipliers=(0, 1))
    >>> found.table["total_return"].round(6).tolist()
    [0.09, 0.08811]
    """
    how = Execution() if execution is None else execution
    if isinstance(multipliers, (str, bytes)) or not isinstance(multipliers, Sequence):
        raise SpecificationError("multipliers are no sequence", value=plain(multipliers), remedy="give (0.5, 1.0, 2.0)")
    if not how.causes:
        raise SpecificationError("there are no costs to sweep over", remedy="give Execution(costs=...)")
    factors = sorted({1.0, *map(float, multipliers)})
    if len(factors) < len(set(multipliers)) or len(set(multipliers)) < len(multipliers):
        raise SpecificationError("a multiplier is given twice", value=list(multipliers), remedy="give each once")
    grid = account_grid(
        weights,
        prices,
        {factor: replace(how, costs=tuple(scaled(cost, factor) for cost in how.causes)) for factor in factors},
        returns=returns,
        exposure=exposure,
        funding=funding,
        capital=capital,
    )
    ruined = grid.bankrupt.dropna()
    if len(ruined):
        raise InputError(
            "a run of the cost sweep goes bankrupt",
            where=f"multiplier {ruined.index[0]:g}, {ruined.iloc[0]}",
            remedy="leave out multipliers from there on",
        )
    rows = [curve_figures(grid.equity[f], grid.turnover[f], periods_per_year=periods_per_year) for f in factors]
    return Sweep(pd.DataFrame(rows, index=pd.Index(factors, name="multiplier")), 1.0, metric)


def never_binding(
    decide: Callable[[Specification], pd.DataFrame | pd.Series[Any]],
    specification: Specification,
    relaxed: Mapping[str, object],
) -> tuple[str, ...]:
    """Name the parameters that never bind: those that can be relaxed altogether without changing a decision.

    Such a parameter is no part of the tested strategy, whatever its name says, and every value beyond it gives the
    same result.

    Parameters
    ----------
    decide : callable
        Takes a specification and gives the decisions of every row.
    specification : frozen dataclass
        The chosen parameters.
    relaxed : mapping of str to object
        For each parameter the value at which it can have no effect: ``math.inf`` for a cap, ``0.0`` for a floor.

    Returns
    -------
    tuple of str
        In the order of ``relaxed``. One that already has its relaxed value is not tried.

    Raises
    ------
    SpecificationError
        For a name that is no parameter.

    Examples
    --------
    >>> import math
    >>> from dataclasses import dataclass
    >>> import pandas as pd
    >>> @dataclass(frozen=True)
    ... class Rule:
    ...     cap: float
    ...     floor: float
    >>> scores = pd.Series([0.1, 0.5, 0.3])
    >>> never_binding(lambda r: scores.clip(r.floor, r.cap), Rule(0.6, 0.2), {"cap": math.inf, "floor": -math.inf})
    ('cap',)
    """
    if not is_dataclass(specification) or isinstance(specification, type):
        raise SpecificationError(
            "the specification is no dataclass", value=type(specification).__name__, remedy="give a frozen dataclass"
        )
    names = [field.name for field in fields(specification)]
    for name in relaxed:
        if name not in names:
            raise SpecificationError("not a parameter", value=name, remedy=f"one of {names}")
    decisions = pd.DataFrame(decide(specification))
    found = []
    for name, value in relaxed.items():
        if getattr(specification, name) == value:
            continue
        if pd.DataFrame(decide(replace(specification, **{name: value}))).equals(decisions):
            found.append(name)
    return tuple(found)


def run_all(
    run: Callable[[Any], Any], values: Sequence[Any], *, n_jobs: int = 1, progress: bool = False, what: str = "runs"
) -> list[Any]:
    """Call a function for each value, in processes where asked for; results in the order of the values."""
    from joblib import Parallel, delayed, effective_n_jobs
    from tqdm import tqdm

    if isinstance(n_jobs, bool) or not isinstance(n_jobs, (int, np.integer)) or n_jobs == 0:
        raise SpecificationError(
            "n_jobs is no number of processes", value=plain(n_jobs), remedy="give 1 or more, or -1"
        )
    if n_jobs == 1:
        return [run(value) for value in tqdm(values, desc=what, disable=not progress, leave=False)]
    # A batch is sent in one piece: the function and the data it holds once, not with every value.
    batch = max(1, len(values) // (4 * effective_n_jobs(n_jobs)))
    results = Parallel(n_jobs=n_jobs, return_as="generator", batch_size=batch)(delayed(run)(value) for value in values)
    return list(tqdm(results, desc=what, total=len(values), disable=not progress, leave=False))
