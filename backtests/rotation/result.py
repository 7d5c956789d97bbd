"""What a run of the rotation engine gives: the ledger, and the portfolio's tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from allocopt.allocation import Allocation
from allocopt.backtests.accounting import Ledger, in_force
from allocopt.backtests.metrics import Performance, by_regime, performance
from allocopt.backtests.overlays import Exposure, VolatilityScaling
from allocopt.backtests.portfolio import Attribution, Rotations, attribution, exposure_over_time, rotation_frequency
from allocopt.regimes import Regime

if TYPE_CHECKING:
    from allocopt.backtests.profiles import ProfileResult
    from allocopt.backtests.rotation.signals import RotationSignals

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
        The accounts of the whole book; `portfolio` is another name for it. Its ``charges`` are what re-sizing the
        profiles' positions cost.
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

    @property
    def bankrupt(self) -> pd.Timestamp | None:
        """Date on which the book's value was no longer positive; None if that did not happen."""
        return self.ledger.bankrupt

    @cached_property
    def active(self) -> pd.Series[bool]:
        """Rows over which the book has a weight in a profile that holds a position."""
        held = self.signals.units_per_money[: len(self.ledger.dates)] > 0.0
        there = (held & (self.ledger.executed.to_numpy() != 0.0)).any(axis=1)
        return pd.Series(there, index=self.ledger.dates, name="active")

    @cached_property
    def rotation_cost_by_profile(self) -> pd.DataFrame:
        """What holding more or less of each profile's position cost on each row, and further rotation costs, money."""
        return self.ledger.sleeve_cost

    @cached_property
    def rotation_cost(self) -> pd.Series[float]:
        """Cost of rotating on each row, money; the profiles sum to it."""
        return self.ledger.cost.rename("rotation cost")

    @cached_property
    def pnl_by_profile(self) -> pd.DataFrame:
        """Money that each profile brought over each row, after the cost of changing what is held of it."""
        return self.ledger.sleeve_pnl - self.rotation_cost_by_profile

    @cached_property
    def regimes_in_force(self) -> pd.Series[Any]:
        """Regime on the deciding row of each row's weights; missing before the first decision takes effect."""
        return in_force(self.signals.regimes, self.ledger.lag).loc[self.ledger.dates]

    @cached_property
    def attribution(self) -> Attribution:
        """P&L by profile, by regime, and by both; the parts sum to the change of the equity.

        With a `Financing`, interest is a part beside the profiles, ``cash``. What it earned before the first decision
        took effect stands under that decision's regime.
        """
        parts, regimes = self.pnl_by_profile, self.regimes_in_force
        if self.ledger.execution.financing is not None:
            parts = parts.assign(cash=self.ledger.interest)
            regimes = regimes.bfill()
        return attribution(parts, regimes, total=self.ledger.equity.diff().fillna(0.0))

    @property
    def attribution_by_profile(self) -> pd.Series[float]:
        """P&L of each profile, money, and of ``cash`` where it bears interest."""
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
        """Figures of the book, with the robust error of its Sharpe ratio, on 252 rows a year.

        Raises
        ------
        InputError
            If the book went bankrupt: its returns have no figures. See `bankrupt`.
        """
        return performance(
            self.ledger.equity,
            periods_per_year=PERIODS_PER_YEAR,
            active=self.active,
            turnover=self.ledger.turnover,
        )

    @cached_property
    def performance_by_regime(self) -> pd.DataFrame:
        """The figures of `performance` for the rows of each regime in force: see `allocopt.backtests.metrics`.

        Raises
        ------
        InputError
            As `performance`.
        """
        return by_regime(
            self.ledger.equity,
            self.regimes_in_force,
            periods_per_year=PERIODS_PER_YEAR,
            active=self.active,
            turnover=self.ledger.turnover,
        )

    @cached_property
    def rotation_metrics(self) -> pd.Series[float]:
        """Rotations and their cost: number, share of dates, a year; turnover a year; cost in money and a year."""
        ledger, rotations, cost = self.ledger, self.rotations, float(self.rotation_cost.sum())
        return pd.Series(
            {
                "rotations": float(rotations.count),
                "share of dates": rotations.share,
                "rotations a year": rotations.per_year(PERIODS_PER_YEAR),
                "turnover a year": float(ledger.turnover.sum()) / (len(ledger.dates) - 1) * PERIODS_PER_YEAR,
                "rotation cost": cost,
                "rotation cost a year, of the capital": cost
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
        ended = "" if self.bankrupt is None else f", bankrupt on {self.bankrupt:%Y-%m-%d}"
        return (
            f"RotationResult({self.allocation.solver.label}, {len(dates)} rows, {dates[0]:%Y-%m-%d} to "
            f"{dates[-1]:%Y-%m-%d}: P&L {pnl:,.0f} on {self.ledger.capital:,.0f}, {self.rotations.count} rotations"
            f"{ended})"
        )
