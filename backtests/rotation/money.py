"""Allocators beside each other with money: the same signals, sizes, profiles and accounts, other weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from allocopt.allocation import AnySolver, SolverName
from allocopt.backtests.metrics import Performance
from allocopt.backtests.rotation.engine import RotationEngine, signals_for
from allocopt.backtests.rotation.result import PERIODS_PER_YEAR, RotationResult
from allocopt.backtests.rotation.signals import Date, Progress, RotationData, RotationSignals
from allocopt.backtests.statistics import HAC, SharpeDifference, StudentisedBootstrap, sharpe_difference
from allocopt.comparison import LINKS, Comparison, compare
from allocopt.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Resampled histories of the paired bootstrap.
REPLICATIONS = 4999


@dataclass(frozen=True, eq=False, repr=False)
class MoneyComparison:
    """Runs of one engine with several allocators on the same rows. Made by `compare_money`.

    Attributes
    ----------
    comparison : Comparison
        The weights: what each allocator keeps and breaks, and the chain from the heuristic to the projection.
    results : dict of str to RotationResult
        By the allocator's label.
    chain_equity : DataFrame, shape (T, 5)
        Equity of the weights at each node of the chain, by the node's name.
    signals : RotationSignals
        What all of them share.
    """

    comparison: Comparison
    results: dict[str, RotationResult]
    chain_equity: pd.DataFrame
    signals: RotationSignals

    def table(self) -> pd.DataFrame:
        """Tabulate money, risk, trading and breaches: one row a figure, one column an allocator.

        Returns
        -------
        DataFrame
            P&L and costs in money; returns, volatility, drawdown, win rates, turnover and cash as decimals, turnover
            and rotations per year of 252 rows; the Sharpe ratio is annualised and its standard error robust to
            autocorrelation; Sortino over all days, Calmar as annual return over maximum drawdown. Breaches count dates
            by plain comparison. Of a book that went bankrupt (see `bankruptcies`) the ratios are NaN.
        """
        weights = self.comparison.summary()
        return pd.DataFrame({label: self._figures(label, weights[label]) for label in self.results})

    def bankruptcies(self) -> dict[str, pd.Timestamp]:
        """Date of bankruptcy by the allocator's label, of those that had one."""
        return {label: found.bankrupt for label, found in self.results.items() if found.bankrupt is not None}

    def _figures(self, label: str, weights: pd.Series[float]) -> dict[str, float]:
        result = self.results[label]
        metrics, equity = result.rotation_metrics, result.ledger.equity
        lost = result.bankrupt is not None
        measured: Performance | None = None if lost else result.performance
        pnl = float(equity.iloc[-1]) - result.ledger.capital

        def figure(name: str) -> float:
            value = None if measured is None else getattr(measured, name)
            return np.nan if value is None else float(value)

        return {
            "P&L": pnl,
            "total return": pnl / result.ledger.capital,
            "annual return": figure("annual_return"),
            "volatility": figure("volatility"),
            "Sharpe ratio": figure("sharpe"),
            "its standard error": figure("sharpe_standard_error"),
            "Sortino ratio": figure("sortino"),
            "Calmar ratio": figure("calmar"),
            "maximum drawdown": float((1.0 - equity / equity.cummax()).max()),
            "win rate, active days": figure("win_rate_active"),
            "win rate, all days": figure("win_rate_all"),
            "profit factor": figure("profit_factor"),
            "turnover a year": metrics["turnover a year"],
            "rotations a year": metrics["rotations a year"],
            "cost of rotating": metrics["rotation cost"],
            "mean cash": float(result.exposure_over_time["cash"].iloc[1:].mean()),
            "dates over the cap": weights["dates over the cap"],
            "dates under the floor": weights["dates under the floor"],
        }

    @property
    def baseline(self) -> str:
        """Label of the allocator that the others are tested against: the first."""
        return next(iter(self.results))

    @cached_property
    def sharpe_tests(self) -> dict[tuple[str, str], SharpeDifference]:
        """Paired test of each other allocator against the first, by HAC inference and by the studentised bootstrap.

        Keys are ``(label, "HAC")`` and ``(label, "bootstrap")``. There is none of a book that went bankrupt.
        """
        found: dict[tuple[str, str], SharpeDifference] = {}
        lost = self.bankruptcies()
        first = self.results[self.baseline].ledger.returns.iloc[1:]
        for label, result in self.results.items():
            if label == self.baseline or label in lost or self.baseline in lost:
                continue
            own = result.ledger.returns.iloc[1:]
            for name, method in (("HAC", HAC()), ("bootstrap", StudentisedBootstrap(replications=REPLICATIONS))):
                found[label, name] = sharpe_difference(own, first, periods_per_year=PERIODS_PER_YEAR, method=method)
        return found

    def tests(self) -> pd.DataFrame:
        """Sharpe ratio against the first allocator's: difference, standard error, p-values of both methods.

        NaN where one of the two went bankrupt.
        """
        rows = {}
        columns = ["difference", "standard error", "p (HAC)", "p (bootstrap)", "correlation"]
        for label in self.results:
            if label == self.baseline:
                continue
            if (label, "HAC") not in self.sharpe_tests:
                rows[f"{label} - {self.baseline}"] = dict.fromkeys(columns, np.nan)
                continue
            hac, bootstrap = self.sharpe_tests[label, "HAC"], self.sharpe_tests[label, "bootstrap"]
            rows[f"{label} - {self.baseline}"] = {
                "difference": hac.difference,
                "standard error": hac.standard_error,
                "p (HAC)": hac.p_value,
                "p (bootstrap)": bootstrap.p_value,
                "correlation": hac.correlation,
            }
        return pd.DataFrame.from_dict(rows, orient="index")

    def steps(self) -> pd.DataFrame:
        """Split the difference of P&L between the heuristic and the chosen projection along the chain.

        Returns
        -------
        DataFrame
            One row a link and one for the whole: ``cause`` (floor, non-convergence or objective) and ``pnl`` (money;
            the links add up to the last row, for each node of the chain went through the same accounts).
        """
        last = self.chain_equity.ffill().iloc[-1].to_numpy()  # a book that went bankrupt ends before the others
        rows = [
            {"step": name, "cause": cause, "pnl": float(after - before)}
            for (name, cause, _), before, after in zip(LINKS, last, last[1:], strict=False)
        ]
        whole = f"heuristic -> {self.comparison.chosen}"
        rows.append({"step": whole, "cause": "whole", "pnl": float(last[-1] - last[0])})
        return pd.DataFrame(rows).set_index("step")

    def causes(self) -> pd.Series[float]:
        """Difference of P&L by cause, money: non-convergence, floor and objective, and the whole they add up to."""
        found = self.steps().groupby("cause", sort=False)["pnl"].sum()
        return found.reindex(["non-convergence", "floor", "objective", "whole"])

    def by_profile_and_regime(self, label: str | None = None) -> pd.DataFrame:
        """Difference of P&L to the first allocator by profile and regime, money; it sums to the whole difference.

        Parameters
        ----------
        label : str, optional
            Allocator to compare. Default: the second.
        """
        others = [name for name in self.results if name != self.baseline]
        chosen = others[0] if label is None else label
        if chosen not in others:
            raise SpecificationError("no other allocator of that label", value=chosen, remedy=f"one of {others}")
        one = self.results[chosen].attribution.by_sleeve_and_regime
        other = self.results[self.baseline].attribution.by_sleeve_and_regime
        assert one is not None
        assert other is not None
        return one.sub(other, fill_value=0.0)  # a regime that only one of them lived to see counts for the other as 0

    def plot(self) -> Figure:
        """Figure of the equity curves, their difference, and what the difference is made of."""
        from allocopt.backtests.rotation.figures_money import money_figure

        return money_figure(self)

    def __repr__(self) -> str:
        """Show the allocators and the span."""
        dates = self.signals.dates
        return f"MoneyComparison({', '.join(self.results)}, {dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d})"


def compare_money(
    engine: RotationEngine,
    data: RotationData,
    solvers: Sequence[SolverName | AnySolver] = ("heuristic", "euclidean", "kl"),
    *,
    start_date: Date | None = None,
    end_date: Date | None = None,
    signals: RotationSignals | None = None,
    progress: Progress | None = None,
) -> MoneyComparison:
    """Run one engine with several allocators on the same rows, and account for the difference.

    Parameters
    ----------
    engine : RotationEngine
        Its own solver is not used.
    data : RotationData
    solvers : sequence of str or solver
        At least two; the first is what the others are tested against.
    start_date, end_date : str or Timestamp, optional
        See `allocopt.backtests.rotation.engine.RotationEngine.signals`. Not together with ``signals``, which have rows
        of their own.
    signals : RotationSignals, optional
        Of an earlier call with the same engine and data.
    progress : callable, optional
        Told in a few words what is done next; ``print`` will do.

    Returns
    -------
    MoneyComparison

    Raises
    ------
    SpecificationError
        For fewer than two solvers.
    InputError, LabelError, ShapeError
        As `allocopt.backtests.rotation.engine.RotationEngine.run`.

    Examples
    --------
    >>> from allocopt.backtests import RotationEngine, compare_money
    >>> from allocopt.rotation_data import rotation_data
    >>> money = compare_money(RotationEngine(), rotation_data().data, start_date="2018-10-01")
    >>> int(money.table().loc["dates over the cap", "euclidean"])
    0
    """
    if len(solvers) < 2:
        raise SpecificationError("nothing to compare", value=list(map(str, solvers)), remedy="name two solvers")
    found = signals_for(engine, data, start_date, end_date, signals, progress)
    if progress is not None:
        progress(f"{len(solvers)} allocators")
    comparison = compare(found.desirability, engine.limits, solvers)
    results = {label: engine.account(data, found, allocation) for label, allocation in comparison.allocations.items()}
    names = ["heuristic", *(link[0].split(" -> ")[-1] for link in LINKS[:-1]), comparison.chosen]
    known = {id(result.allocations): result.ledger.equity for result in results.values()}
    nodes = [
        known[id(weights)] if id(weights) in known else engine.equity(data, found, weights)
        for weights in comparison.chain
    ]
    chain = pd.concat(nodes, axis=1, keys=[f"{i}: {name}" for i, name in enumerate(names)])
    return MoneyComparison(comparison, results, chain, found)
