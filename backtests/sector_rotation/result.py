"""The sector rotation's run: ledger, benchmark, figures of both, offsets and costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from allocopt.backtests.accounting import Execution, Ledger, account
from allocopt.backtests.metrics import Performance, balanced_performance_score
from allocopt.backtests.schedules import Schedule
from allocopt.backtests.sector_rotation.data import SectorData, given_data, require_sessions
from allocopt.backtests.sector_rotation.decisions import SectorDecisions, Study, decide_study, prepare
from allocopt.backtests.sector_rotation.specification import NO_LIMITS, SESSIONS, SectorRotation
from allocopt.backtests.sector_rotation.weighting import MomentumWeighting, weighting_from
from allocopt.backtests.studies.sweeps import MULTIPLIERS, Sweep, cost_sweep, never_binding, phase_sweep
from allocopt.backtests.trades import TradeStatistics, trade_statistics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from allocopt.backtests.sector_rotation.specification import Date
    from allocopt.backtests.statistics import SharpeDifference

#: Money at the start.
CAPITAL = 100_000.0

#: Figures of a run, in the order of `SectorRotationResult.metrics`.
METRICS = (
    "cagr", "sharpe", "max_drawdown", "win_rate", "trades", "average_leverage", "time_invested", "bps", "turnover",
)  # fmt: skip

#: Bars by which the original annualised its daily Sharpe ratio.
ORIGINAL_PERIODS = 2190


@dataclass(frozen=True, eq=False)
class SectorRotationResult:
    """A run of a `SectorRotation`.

    Attributes
    ----------
    rotation : SectorRotation
    closes : DataFrame
        Closes of the study, from its first row to its last: sectors, defensive asset, benchmark.
    decisions : SectorDecisions
        On the rows of the schedule.
    ledger : Ledger
        The accounts, capital 100,000.
    """

    rotation: SectorRotation
    closes: pd.DataFrame
    decisions: SectorDecisions
    ledger: Ledger
    _study: Study

    @property
    def equity(self) -> pd.Series[float]:
        """Value at each close, money."""
        return self.ledger.equity

    @property
    def dates(self) -> pd.DatetimeIndex:
        """Rows of the study."""
        return self._study.dates

    @cached_property
    def performance(self) -> Performance:
        """All figures of the equity, daily ones annualised by 252, with the standard error of the Sharpe ratio."""
        return self.ledger.performance(periods_per_year=SESSIONS)

    @cached_property
    def metrics(self) -> pd.Series[float]:
        """The reported figures, measured on the ledger, decimals.

        ``cagr``: by calendar time, years of 365.25 days. ``sharpe``: annual, by 252 sessions, cash at 0.
        ``max_drawdown``: positive. ``win_rate``: share of all days with a gain. ``trades``: spells in which a sleeve
        is held, open ones included. ``average_leverage``: mean over the days of what was held at their start, as a
        multiple of the value, the defensive asset included. ``time_invested``: share of days on which a sector was
        held (the rest is in the defensive asset or cash). ``bps``: 0.4 Sharpe + 0.3 CAGR + 0.2 win rate - 0.1
        drawdown. ``turnover``: both sides, a year.
        """
        return _metrics(self.ledger, list(self.rotation.universe))

    @cached_property
    def benchmark_ledger(self) -> Ledger:
        """The benchmark bought on the first row of the study with all the capital, and held; the same costs."""
        name = self.rotation.benchmark
        first = pd.DataFrame({name: [1.0]}, index=self.dates[:1])
        return account(first, self.closes[[name]], Execution(costs=self.rotation.costs), capital=CAPITAL)

    @cached_property
    def benchmark(self) -> pd.Series[float]:
        """The same figures of the benchmark, bought and held over the same days."""
        return _metrics(self.benchmark_ledger, [self.rotation.benchmark])

    @cached_property
    def as_published(self) -> pd.Series[float]:
        """The run's figures by the original's definitions, to be compared with published ones and nothing else.

        ``sharpe``: daily returns annualised by 2,190 periods, 2.948 times the true one. ``bps``: with that Sharpe ratio
        and a win rate fixed at one half.
        """
        return pd.Series(original_figures(self.metrics), name="as published")

    @cached_property
    def statistics(self) -> TradeStatistics:
        """Trades, and what was traded to enter them, inside them and to close them."""
        return trade_statistics(self.ledger)

    @property
    def trades(self) -> pd.DataFrame:
        """One row a trade, a spell in which a sleeve is held: sleeve, dates, bars, value and gain after costs."""
        return self.statistics.trades

    @property
    def holdings(self) -> pd.DataFrame:
        """Weights over each day, fractions of the value at its start, after the trades, with leverage and drift."""
        return self.ledger.executed

    @cached_property
    def against_benchmark(self) -> SharpeDifference:
        """Paired test that the Sharpe ratio is the benchmark's, with a HAC error."""
        from allocopt.backtests.statistics import sharpe_difference

        ours, theirs = self.ledger.returns.iloc[1:], self.benchmark_ledger.returns.iloc[1:]
        return sharpe_difference(ours, theirs, periods_per_year=SESSIONS)

    @property
    def time_defensive(self) -> float:
        """Share of days on which the defensive asset was held."""
        return float((self.holdings[self.rotation.defensive].to_numpy()[1:] != 0.0).mean())

    def offsets(self, *, metric: str = "cagr", n_jobs: int = 1, progress: bool = False) -> Sweep:
        """Run the same rotation at every offset of its schedule, and rank this one.

        Parameters
        ----------
        metric : str, default "cagr"
            Figure to rank by; `Sweep.summaries` has the rank by each.
        n_jobs : int, default 1
            Processes, as for joblib.
        progress : bool, default False
            Show a progress bar.
        """
        run = partial(_at_offset, self.rotation, self._study)
        schedule = self.rotation.decision_schedule
        return phase_sweep(run, schedule, self.dates, metric=metric, n_jobs=n_jobs, progress=progress)

    def cost_sweep(self, multipliers: Sequence[float] = MULTIPLIERS) -> Sweep:
        """Run the same decisions at multiples of their costs."""
        return cost_sweep(
            self.decisions.composition,
            self.closes[list(self.decisions.composition.columns)],
            self.rotation.execution,
            periods_per_year=SESSIONS,
            multipliers=multipliers,
            exposure=self.decisions.exposure,
            capital=CAPITAL,
        )

    @cached_property
    def never_binding(self) -> tuple[str, ...]:
        """Parameters that could be relaxed altogether without changing a decided weight."""
        relaxed: dict[str, object] = {
            "top_n": len(self.rotation.universe),
            # A momentum below zero is no desirability.
            "min_momentum": 0.0
            if isinstance(weighting_from(self.rotation.weighting), MomentumWeighting)
            else -math.inf,
            "trend_filter": None,
            "limits": NO_LIMITS,
        }
        return never_binding(lambda other: decide_study(other, self._study).weights, self.rotation, relaxed)

    def plot(self) -> Figure:
        """Draw equity beside the benchmark, drawdowns and leverage."""
        from allocopt.backtests.sector_rotation.figures import equity_figure

        return equity_figure(self)

    def __repr__(self) -> str:
        figures = self.metrics
        return (
            f"SectorRotationResult({len(self.dates)} sessions, {len(self.decisions)} decisions "
            f"({self.rotation.decision_schedule.label}): CAGR {figures['cagr']:.4f}, Sharpe {figures['sharpe']:.3f}, "
            f"drawdown {figures['max_drawdown']:.3f})"
        )


def original_figures(metrics: pd.Series[float] | Mapping[Any, float]) -> dict[str, float]:
    """CAGR, Sharpe ratio and balanced performance score by the original's definitions, from true figures.

    Parameters
    ----------
    metrics : Series or mapping
        With ``cagr``, ``sharpe`` and ``max_drawdown``.

    Returns
    -------
    dict of str to float
        ``sharpe`` with 2,190 periods a year in place of 252; ``bps`` with that and a win rate of one half.

    Examples
    --------
    >>> true = pd.Series({"cagr": 0.13, "sharpe": 0.58, "max_drawdown": 0.4})
    >>> {name: round(value, 3) for name, value in original_figures(true).items()}
    {'cagr': 0.13, 'sharpe': 1.71, 'bps': 0.783}
    """
    cagr, drawdown = float(metrics["cagr"]), float(metrics["max_drawdown"])
    sharpe = float(metrics["sharpe"]) * math.sqrt(ORIGINAL_PERIODS / SESSIONS)
    return {"cagr": cagr, "sharpe": sharpe, "bps": balanced_performance_score(sharpe, cagr, 0.5, drawdown)}


def run_sectors(
    rotation: SectorRotation,
    closes: pd.DataFrame | SectorData,
    volatility_index: pd.Series[float] | None,
    start: Date | None,
    end: Date | None,
) -> SectorRotationResult:
    """Decide on the rows of the schedule, then hold shares between them."""
    return _run_study(rotation, prepare(rotation, given_data(closes, volatility_index), start, end))


def _run_study(rotation: SectorRotation, study: Study) -> SectorRotationResult:
    require_sessions(len(study.dates), 2)
    decisions = decide_study(rotation, study)
    prices = study.closes.iloc[study.first :]
    ledger = account(
        decisions.composition,
        prices[list(decisions.composition.columns)],
        rotation.execution,
        exposure=decisions.exposure,
        capital=CAPITAL,
    )
    return SectorRotationResult(rotation, prices, decisions, ledger, study)


def _at_offset(rotation: SectorRotation, study: Study, schedule: Schedule) -> dict[str, float]:
    metrics = _run_study(replace(rotation, schedule=schedule), study).metrics
    return {str(name): float(value) for name, value in metrics.items()}


def _metrics(ledger: Ledger, invested: list[str]) -> pd.Series[float]:
    found = ledger.performance(periods_per_year=SESSIONS, standard_error=False)
    held = ledger.executed.to_numpy()
    # Counting spells is all that is needed here; `trade_statistics` values each of them too, which takes longer.
    begun = (held != 0.0) & (np.vstack([np.zeros((1, held.shape[1])), held[:-1]]) == 0.0)
    sectors = ledger.executed[invested].to_numpy()[1:]
    return pd.Series(
        {
            "cagr": found.cagr,
            "sharpe": found.sharpe,
            "max_drawdown": found.max_drawdown,
            "win_rate": found.win_rate_all,
            "trades": float(begun.sum()),
            "average_leverage": float(held[1:].sum(axis=1).mean()),
            "time_invested": float((sectors != 0.0).any(axis=1).mean()),
            "bps": found.bps,
            "turnover": float(found.turnover_per_year or 0.0),
        },
        name="metrics",
    )
