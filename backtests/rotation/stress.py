"""Does the finding depend on costs, on prompt execution, on ten days, or on one year? The same runs, made harder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.allocation import AnySolver, SolverName, allocate
from allocopt.backtests.accounting import Ledger
from allocopt.backtests.metrics import performance
from allocopt.backtests.profiles import PartialFills
from allocopt.backtests.rotation.engine import RotationEngine
from allocopt.backtests.rotation.result import PERIODS_PER_YEAR, RotationResult
from allocopt.backtests.rotation.signals import Date, RotationData, with_settings
from allocopt.charging import scaled
from allocopt.costs import Cost
from allocopt.errors import LabelError, SpecificationError

#: Multiple of all costs, and of the slippage alone.
COST_FACTOR: Final = 2.0
SLIPPAGE_FACTOR: Final = 3.0

#: Rows by which fills and weights come later: one to four, for lags of two to five.
LATER: Final = (1, 2, 3, 4)

#: Best days that are taken away.
BEST_DAYS: Final = 10

#: Figures of the table, in order.
FIGURES: Final = (
    "P&L", "total return", "Sharpe ratio", "its standard error", "maximum drawdown", "cost of rotating",
)  # fmt: skip

#: Years of the published study; the last two are one sub-period.
_PUBLISHED: Final = frozenset(range(2020, 2025))


@dataclass(frozen=True, eq=False, repr=False)
class StressTable:
    """What is left of each allocator's result under each scenario. Made by `stress`.

    Attributes
    ----------
    runs : dict of str to dict of str to RotationResult
        By scenario and the allocator's label: the base, and the scenarios that were run anew.
    best_days : dict of str to DatetimeIndex
        Dates whose returns were set to zero, by the allocator's label, ascending.
    periods : dict of str to DatetimeIndex
        Rows of each sub-period, by its name.
    figures : DataFrame
        What `table` gives.
    """

    runs: dict[str, dict[str, RotationResult]]
    best_days: dict[str, pd.DatetimeIndex]
    periods: dict[str, pd.DatetimeIndex]
    figures: pd.DataFrame

    def table(self) -> pd.DataFrame:
        """Tabulate the scenarios: one row each, one column for each figure and allocator.

        Returns
        -------
        DataFrame
            Columns of two levels, ``figure`` and ``allocator``. "P&L" and "cost of rotating" are money, "total return"
            and "maximum drawdown" decimals, the Sharpe ratio is annualised on 252 rows a year, with a standard error
            that is robust to autocorrelation. Ratio and error are NaN where the book had failed, or did not move.

        Notes
        -----
        Only the base and the scenarios of `runs` are runs of their own. "best 10 days removed" sets the ten highest
        returns of the base's ledger to zero, and what they cost with them, and compounds the others. A sub-period is a
        slice of the base's ledger: it starts with the money that the run had then, so P&L and cost of the sub-periods
        add up to the base's.
        """
        return self.figures.copy()

    def best(self) -> pd.DataFrame:
        """Dates that are taken away: one row each, highest return first, by allocator.

        Returns
        -------
        DataFrame
            ``allocator``, ``date``, ``return`` (decimal, of the base) and ``regime`` in force (its number).
        """
        rows: list[tuple[object, ...]] = []
        for label, dates in self.best_days.items():
            base = self.runs["base"][label]
            returns = base.ledger.returns.loc[dates].sort_values(ascending=False, kind="stable")
            regimes = base.regimes_in_force.loc[returns.index]
            rows += list(zip([label] * len(returns), returns.index, returns, regimes, strict=True))
        return pd.DataFrame(rows, columns=["allocator", "date", "return", "regime"])

    def lines(self) -> list[str]:
        """Write the table for a terminal of 80 columns: one block an allocator, and the best days below it."""
        from allocopt.backtests.rotation._stress_lines import written

        return written(self)

    def __repr__(self) -> str:
        """Show the scenarios and the allocators."""
        scenarios, labels = self.figures.index, self.figures.columns.unique("allocator")
        return f"StressTable({len(scenarios)} scenarios, {', '.join(map(str, labels))})"


def stress(
    engine: RotationEngine,
    data: RotationData,
    solvers: Sequence[SolverName | AnySolver] = ("heuristic", "euclidean"),
    *,
    start_date: Date | None = None,
    end_date: Date | None = None,
) -> StressTable:
    """Find out what a result hangs on: costs, slippage, late hedges and fills, its ten best days, or one year.

    The scenarios, each for every allocator:

    - base: the engine as it is.
    - 2x costs: all costs of the profiles' options and hedges, and the costs of rotating.
    - 3x slippage: of the profiles' options.
    - partial fills: large orders take several closes, as `PartialFills` has them (left out where the engine has some).
    - hedges 1 row later; fills 1 to 4 rows later: the latter both of the profiles' orders and of the weights.
    - best 10 days removed, from the base's returns; fewer where fewer days gained.
    - sub-periods of the base: each calendar year, and 2023 and 2024 as one where the rows reach from 2020 to 2024.

    Parameters
    ----------
    engine : RotationEngine
        Its own solver is not used.
    data : RotationData
    solvers : sequence of str or solver
        At least one; their labels differ.
    start_date, end_date : str or Timestamp, optional
        See `allocopt.backtests.rotation.engine.RotationEngine.signals`.

    Returns
    -------
    StressTable

    Raises
    ------
    SpecificationError
        If no solver is given.
    LabelError
        If two solvers have the same label.
    InputError, ShapeError
        As `allocopt.backtests.rotation.engine.RotationEngine.run`.

    Examples
    --------
    >>> from allocopt.backtests.options import IndexSurface
    >>> from allocopt.backtests.rotation import OHLCV, ImpliedVolatility
    >>> from allocopt.backtests.rotation.engine import RotationData, RotationEngine
    >>> from allocopt.market_files import embedded_prices, embedded_volatility_index
    >>> vix = embedded_volatility_index()
    >>> data = RotationData(
    ...     OHLCV(embedded_prices()), ImpliedVolatility.flat(vix), IndexSurface.from_vix_only(vix), vix
    ... )
    >>> found = stress(RotationEngine(), data, ["euclidean"], start_date="2017-10-02", end_date="2018-03-29")
    >>> list(found.table().index)  # doctest: +NORMALIZE_WHITESPACE
    ['base', '2x costs', '3x slippage', 'partial fills', 'hedges 1 row later', 'fills 1 row later',
     'fills 2 rows later', 'fills 3 rows later', 'fills 4 rows later', 'best 10 days removed', '2017', '2018']
    """
    if not len(solvers):
        raise SpecificationError("no allocator to stress", remedy="name at least one")
    base = engine.signals(data, start_date=start_date, end_date=end_date)
    allocations = [allocate(base.desirability, engine.limits, solver=solver) for solver in solvers]
    labels = [allocation.solver.label for allocation in allocations]
    for label in labels:
        if labels.count(label) > 1:
            raise LabelError("two solvers have the same label", value=label, remedy="stress them in two calls")
    runs: dict[str, dict[str, RotationResult]] = {}
    for name, other in _engines(engine).items():
        # Scores and regimes, hence the weights, are the same in every scenario; the profiles' returns are not.
        signals = base if other is engine else with_settings(base, other.settings, data)
        runs[name] = {
            label: other.account(data, signals, allocation)
            for label, allocation in zip(labels, allocations, strict=True)
        }
    rows = {
        name: {label: _figures(run.ledger.equity, run.rotation_cost) for label, run in by_label.items()}
        for name, by_label in runs.items()
    }
    without = {label: _best_days(run.ledger) for label, run in runs["base"].items()}
    rows[f"best {BEST_DAYS} days removed"] = {
        label: _figures(*_without(run, without[label])) for label, run in runs["base"].items()
    }
    periods = _periods(base.dates)
    for name, dates in periods.items():
        rows[name] = {label: _slice(run, dates) for label, run in runs["base"].items()}
    columns = pd.MultiIndex.from_product([FIGURES, labels], names=["figure", "allocator"])
    figures = pd.DataFrame(
        [[row[label][figure] for figure, label in columns] for row in rows.values()],
        index=pd.Index(list(rows), name="scenario"),
        columns=columns,
    )
    best = {label: run.ledger.dates[without[label]] for label, run in runs["base"].items()}
    return StressTable(runs, best, periods, figures)


def _engines(engine: RotationEngine) -> dict[str, RotationEngine]:
    given = engine.rotation_costs
    rotating = [scaled(cost, COST_FACTOR) for cost in ([given] if isinstance(given, Cost) else given)]
    costs = engine.profile_costs
    found = {
        "base": engine,
        f"{COST_FACTOR:g}x costs": replace(
            engine, profile_costs=costs.scaled(costs=COST_FACTOR), rotation_costs=rotating
        ),
        f"{SLIPPAGE_FACTOR:g}x slippage": replace(engine, profile_costs=costs.scaled(slippage=SLIPPAGE_FACTOR)),
    }
    if engine.partial_fills is None:
        found["partial fills"] = replace(engine, partial_fills=PartialFills())
    found["hedges 1 row later"] = replace(engine, hedge_lag=engine.hedge_lag + 1)
    for rows in LATER:
        name = f"fills {rows} row{'s' if rows > 1 else ''} later"
        found[name] = replace(engine, lag=engine.lag + rows, fill_lag=engine.fill_lag + rows)
    return found


def _figures(equity: pd.Series[float], cost: pd.Series[float]) -> dict[str, float]:
    """Figures of a curve whose first value is what it starts with; the cost of that row was paid before it."""
    value = equity.to_numpy()
    several, change = len(value) > 1, float(value[-1] - value[0])
    alive = several and bool((value > 0.0).all())
    measured = performance(equity, periods_per_year=PERIODS_PER_YEAR) if alive else None
    error = None if measured is None else measured.sharpe_standard_error
    return {
        "P&L": change,
        "total return": change / float(value[0]) if several else np.nan,
        "Sharpe ratio": np.nan if measured is None else measured.sharpe,
        "its standard error": np.nan if error is None else error,
        "maximum drawdown": float((1.0 - value / np.maximum.accumulate(value)).max()) if several else np.nan,
        "cost of rotating": float(cost.iloc[1:].sum()),
    }


def _best_days(ledger: Ledger) -> npt.NDArray[np.intp]:
    """Rows of the highest returns above zero, ascending; the earlier one of equals."""
    returns = ledger.returns.to_numpy()
    order = np.argsort(-returns, kind="stable")[:BEST_DAYS]
    return np.sort(order[returns[order] > 0.0])


def _without(run: RotationResult, rows: npt.NDArray[np.intp]) -> tuple[pd.Series[float], pd.Series[float]]:
    """Equity and cost of rotating had the book been out of the market on those rows."""
    ledger = run.ledger
    value, returns, rate = ledger.equity.to_numpy(), ledger.returns.to_numpy().copy(), np.zeros(len(ledger.dates))
    rate[1:] = run.rotation_cost.to_numpy()[1:] / value[:-1]
    returns[rows] = 0.0
    rate[rows] = 0.0
    made = value[0] * np.cumprod(1.0 + returns)
    cost = np.concatenate([[0.0], rate[1:] * made[:-1]])
    return pd.Series(made, index=ledger.dates), pd.Series(cost, index=ledger.dates)


def _slice(run: RotationResult, dates: pd.DatetimeIndex) -> dict[str, float]:
    """Figures over the rows of a sub-period, from the money at the close before them."""
    ledger = run.ledger
    first = max(int(ledger.dates.searchsorted(dates[0])) - 1, 0)
    rows = slice(first, int(ledger.dates.searchsorted(dates[-1], side="right")))
    return _figures(ledger.equity.iloc[rows], run.rotation_cost.iloc[rows])


def _periods(dates: pd.DatetimeIndex) -> dict[str, pd.DatetimeIndex]:
    years = dates.year
    joined = set(years) >= _PUBLISHED
    names = [("2023-24" if joined and year in (2023, 2024) else str(year)) for year in years]
    labelled = pd.Index(names)
    return {str(name): dates[labelled == name] for name in dict.fromkeys(names)}
