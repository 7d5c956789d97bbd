"""What a run of the rotation engine gives: the ledger, and the portfolio's tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from allocopt.allocation import Allocation
from allocopt.backtests.accounting import Ledger, in_force
from allocopt.backtests.metrics import Performance, by_regime
from allocopt.backtests.overlays import Exposure, VolatilityScaling
from allocopt.backtests.portfolio import Attribution, Rotations, attribution, exposure_over_time, rotation_frequency
from allocopt.regimes import Regime

if TYPE_CHECKING:
    from allocopt.backtests.profiles import ProfileResult
    from allocopt.backtests.rotation.engine import RotationSignals

#: Trading days in a year.
PERIODS_PER_YEAR = 252.0

#: A rotation is a date on which a weight changes by more than this.
ROTATION_THRESHOLD = 0.05


@dataclass(frozen=True, eq=False, repr=False)
class RotationResult:
    """A run of the `RotationEngine`.

    Attributes
    ----------
    ledger : Ledger
        The accounts of the whole book; `portfolio` is another name for it.
    allocation : Allocation
        Weights with status and certificate, by date.
    signals : RotationSignals
        Features, scores, regimes, desirability, and the profiles' own backtests.
    exposure_policies : tuple of Exposure
        What each leverage rule decided.
    volatility_scaling : VolatilityScaling or None
    """

    ledger: Ledger
    allocation: Allocation[pd.DataFrame, pd.Series[Any]]
    signals: RotationSignals
    exposure_policies: tuple[Exposure, ...]
    volatility_scaling: VolatilityScaling | None

    @property
    def portfolio(self) -> Ledger:
        """The ledger."""
        return self.ledger

    @property
    def allocations(self) -> pd.DataFrame:
        """Decided weights by date and profile: cap and floor hold here."""
        return self.allocation.weights

    @property
    def profile_results(self) -> dict[str, ProfileResult]:
        """The profiles' own backtests, of one unit each."""
        return self.signals.profiles

    @cached_property
    def pnl_by_profile(self) -> pd.DataFrame:
        """Money that each profile brought over each row, after the cost of changing its weight."""
        return self.ledger.sleeve_pnl - self.ledger.sleeve_cost

    @cached_property
    def regimes_in_force(self) -> pd.Series[Any]:
        """Regime on the deciding row of each row's weights; missing before the first decision takes effect."""
        return in_force(self.signals.regimes, self.ledger.lag).loc[self.ledger.dates]

    @cached_property
    def attribution(self) -> Attribution:
        """P&L by profile, by regime, and by both; the parts sum to the whole."""
        return attribution(self.pnl_by_profile, self.regimes_in_force)

    @property
    def attribution_by_profile(self) -> pd.Series[float]:
        """P&L of each profile, money."""
        return self.attribution.by_sleeve

    @property
    def attribution_by_regime(self) -> pd.Series[float]:
        """P&L under each regime, money."""
        found = self.attribution.by_regime
        assert found is not None
        return found

    @cached_property
    def rotations(self) -> Rotations:
        """Dates on which a decided weight changes by more than 0.05."""
        return rotation_frequency(self.allocations, ROTATION_THRESHOLD)

    @cached_property
    def performance(self) -> Performance:
        """Figures of the book, with the robust error of its Sharpe ratio, on 252 rows a year."""
        return self.ledger.performance(periods_per_year=PERIODS_PER_YEAR)

    @cached_property
    def performance_by_regime(self) -> pd.DataFrame:
        """The figures of `performance` for the rows of each regime in force: see `allocopt.backtests.metrics`."""
        return by_regime(
            self.ledger.equity,
            self.regimes_in_force,
            periods_per_year=PERIODS_PER_YEAR,
            active=self.ledger.invested,
            turnover=self.ledger.turnover,
        )

    @cached_property
    def rotation_metrics(self) -> pd.Series[float]:
        """Rotations and their cost: number, share of dates, a year; turnover a year; cost in money and a year."""
        ledger, rotations = self.ledger, self.rotations
        return pd.Series(
            {
                "rotations": float(rotations.count),
                "share of dates": rotations.share,
                "rotations a year": rotations.per_year(PERIODS_PER_YEAR),
                "turnover a year": float(ledger.turnover.sum()) / (len(ledger.dates) - 1) * PERIODS_PER_YEAR,
                "rotation cost": float(ledger.cost.sum()),
                "rotation cost a year, of the capital": float(ledger.cost.sum())
                / ledger.capital
                / (len(ledger.dates) - 1)
                * PERIODS_PER_YEAR,
            }
        )

    @cached_property
    def exposure_over_time(self) -> pd.DataFrame:
        """Gross and net exposure, cash and number of profiles held, on each row that they earn."""
        return exposure_over_time(self.ledger.executed)

    @cached_property
    def regime_distribution(self) -> pd.Series[int]:
        """Number of dates in each regime, by its label."""
        counts = self.signals.regimes.value_counts()
        return pd.Series(
            {regime.label: int(counts.get(int(regime), 0)) for regime in Regime if int(regime) in counts.index},
            name="dates",
        )

    def __repr__(self) -> str:
        """Show the span, the allocator and the P&L."""
        dates, pnl = self.ledger.dates, float(self.ledger.equity.iloc[-1]) - self.ledger.capital
        return (
            f"RotationResult({self.allocation.solver.label}, {len(dates)} rows, {dates[0]:%Y-%m-%d} to "
            f"{dates[-1]:%Y-%m-%d}: P&L {pnl:,.0f} on {self.ledger.capital:,.0f}, {self.rotations.count} rotations)"
        )
