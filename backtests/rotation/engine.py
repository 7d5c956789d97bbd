"""The rotation engine: scores and regimes decide weights, profiles on a surface earn, one ledger accounts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import pandas as pd

from allocopt.allocation import Allocation, AnySolver, SolverName, allocate, find_solver
from allocopt.backtests._checks import plain, require_kind
from allocopt.backtests.accounting import Execution, Financing, Ledger
from allocopt.backtests.accounting.execution import require_lag
from allocopt.backtests.overlays import (
    Exposure,
    LeveragePolicy,
    RealizedVolHalving,
    VolatilityScaling,
    VolatilityTarget,
)
from allocopt.backtests.profiles import (
    INDEX_COSTS,
    ExecutionCosts,
    PartialFills,
    ProfileSpecification,
    published_profiles,
)
from allocopt.backtests.rotation._exposure import exposure_of
from allocopt.backtests.rotation._resizing import account_with_resizing
from allocopt.backtests.rotation.result import RotationResult
from allocopt.backtests.rotation.signals import (
    Date,
    Progress,
    RotationData,
    RotationSignals,
    SignalSettings,
    compute_signals,
    silent,
)
from allocopt.backtests.rotation.study import RotationRows, require_settings, signals_for
from allocopt.compatibility import RegimeCompatibility
from allocopt.costs import Cost
from allocopt.errors import SpecificationError
from allocopt.limits import Limits

__all__ = ["RotationData", "RotationEngine", "RotationSignals", "signals_for"]

#: What re-weighting the profiles costs beside the options and hedges themselves: nothing.
NO_ROTATION_COSTS: tuple[Cost, ...] = ()


@dataclass(frozen=True, eq=False)
class RotationEngine:
    """Rotate capital over option profiles by market regime, and account for it.

    Bars become features, a regime and a score for each profile; score times compatibility is the desirability that
    `allocopt.allocate` turns into weights; realised volatility, a leverage policy and a volatility target size the
    book; each profile earns the return of its own backtest on a volatility surface; the ledger executes the weights
    one row after they were decided.

    Parameters
    ----------
    max_profile_weight, min_profile_weight : float
        Cap, and floor of a profile that is held, decimal.
    budget : float, default 1.0
        Largest sum of weights; the rest is cash.
    vix_scale_threshold : float or None, default 0.30
        Realised volatility of 20 rows over which the exposure is multiplied by ``vix_scale_factor``; a decimal. The
        original compared percent with it, so its rule never fired. None: no such rule.
    vix_scale_factor : float, default 0.5
    solver : str or solver
        As for `allocopt.allocate`: "euclidean", "kl", "heuristic" or an own one.
    leverage : LeveragePolicy, optional
        On a volatility index.
    volatility_target : VolatilityTarget, optional
        On the returns of the profiles.
    profiles : mapping of str to ProfileSpecification
        By column of the scores.
    profile_costs : ExecutionCosts, default INDEX_COSTS
        What trading the profiles' options and hedges costs. `ETF_COSTS` for an ETF.
    order_weight : float or None, default 0.40
        Weight at which the profiles' orders are sized, for the tier of their slippage: an order is of ``order_weight``
        times ``capital``. It is no part of the allocator, so that signals are the same for all caps. None, and also
        where ``profile_costs`` has ``units`` or an ``order_capital`` of its own: as that says.
    resizing : bool, default True
        Whether to charge for holding more or less of what a profile holds than over the row before: spread, slippage,
        commission and hedge of the units that are traded, at that close. Weights of idle profiles change for nothing.
    rotation_costs : Cost or sequence of Cost, default none
        What changing the weights costs besides, on every change, of idle profiles too.
    compatibility : RegimeCompatibility
    lag : int, default 1
        Rows from a decision to the period that it earns.
    fill_lag, hedge_lag : int, default 1
        Of the profiles' own orders and hedges, see `run_profile`.
    partial_fills : PartialFills, optional
        Fills the profiles' large orders in parts. Default: whole.
    financing : Financing, optional
        For a leverage over 1.
    capital : float
        Money at the start.

    Raises
    ------
    SpecificationError
        For a setting outside its range.

    Examples
    --------
    >>> from allocopt.backtests import RotationEngine
    >>> from allocopt.rotation_data import rotation_data
    >>> result = RotationEngine().run(rotation_data().data, start_date="2018-10-01")
    >>> len(result.ledger.dates), int((result.allocations > 0.40).sum().sum())
    (63, 0)
    """

    max_profile_weight: float = 0.40
    min_profile_weight: float = 0.05
    budget: float = 1.0
    vix_scale_threshold: float | None = 0.30
    vix_scale_factor: float = 0.5
    solver: SolverName | AnySolver = "euclidean"
    leverage: LeveragePolicy | None = None
    volatility_target: VolatilityTarget | None = None
    profiles: Mapping[str, ProfileSpecification] = field(default_factory=published_profiles)
    profile_costs: ExecutionCosts = INDEX_COSTS
    order_weight: float | None = 0.40
    resizing: bool = True
    rotation_costs: Cost | Sequence[Cost] = NO_ROTATION_COSTS
    compatibility: RegimeCompatibility = field(default_factory=RegimeCompatibility)
    lag: int = 1
    fill_lag: int = 1
    hedge_lag: int = 1
    partial_fills: PartialFills | None = None
    financing: Financing | None = None
    capital: float = 1_000_000.0

    def __post_init__(self) -> None:
        Limits(cap=self.max_profile_weight, floor=self.min_profile_weight, budget=self.budget)
        Execution(lag=self.lag, costs=self.rotation_costs)
        find_solver(self.solver)
        for name in ("fill_lag", "hedge_lag"):
            require_lag(getattr(self, name), name)
        if not isinstance(self.profiles, Mapping) or not self.profiles:
            raise SpecificationError(
                "there are no profiles", value=plain(self.profiles), remedy="give published_profiles(), for instance"
            )
        object.__setattr__(self, "profiles", MappingProxyType(dict(self.profiles)))
        if not 0.0 < self.capital < math.inf:
            raise SpecificationError("capital is no positive amount", value=plain(self.capital), remedy="give money")
        if self.order_weight is not None and not 0.0 < self.order_weight < math.inf:
            raise SpecificationError(
                "order_weight is no positive number", value=plain(self.order_weight), remedy="give 0.40, or None"
            )
        if not 0.0 <= self.vix_scale_factor <= 1.0:
            raise SpecificationError(
                "vix_scale_factor is not a part of 1", value=plain(self.vix_scale_factor), remedy="give 0.5 for half"
            )
        if self.vix_scale_threshold is not None:
            RealizedVolHalving(self.vix_scale_threshold, self.vix_scale_factor)

    @property
    def limits(self) -> Limits:
        """Cap, floor and budget of the weights."""
        return Limits(cap=self.max_profile_weight, floor=self.min_profile_weight, budget=self.budget)

    def signals(
        self,
        data: RotationData,
        *,
        start_date: Date | None = None,
        end_date: Date | None = None,
        progress: Progress | None = None,
    ) -> RotationSignals:
        """Compute everything that does not depend on the allocator: scores, regimes, and the profiles' backtests.

        Parameters
        ----------
        data : RotationData
        start_date, end_date : str or Timestamp, optional
            First and last row that is studied. Default: all rows on which scores and regimes are defined.
        progress : callable, optional
            Told in a few words what is done next; ``print`` will do.

        Raises
        ------
        SpecificationError
            If no row is left, or scores are not defined on a row from ``start_date`` on.
        """
        return compute_signals(self.settings, self.compatibility, data, start_date, end_date, progress)

    @property
    def sized_costs(self) -> ExecutionCosts:
        """Costs of the profiles with the size of their orders."""
        costs = self.profile_costs
        if self.order_weight is None or costs.order_capital is not None or costs.units != 1.0:
            return costs
        return replace(costs, order_capital=self.order_weight * self.capital)

    @property
    def settings(self) -> SignalSettings:
        """What the signals depend on."""
        matrix = self.compatibility.matrix
        return SignalSettings(
            tuple(self.profiles.items()),
            self.sized_costs,
            self.fill_lag,
            self.hedge_lag,
            self.partial_fills,
            (tuple(matrix.index), tuple(matrix.columns), matrix.to_numpy().tobytes()),
        )

    def run(
        self,
        data: RotationData,
        *,
        start_date: Date | None = None,
        end_date: Date | None = None,
        signals: RotationSignals | None = None,
        progress: Progress | None = None,
    ) -> RotationResult:
        """Run the engine.

        Parameters
        ----------
        data : RotationData
        start_date, end_date : str or Timestamp, optional
            See `signals`. Not together with ``signals``, which have rows of their own.
        signals : RotationSignals, optional
            Of an earlier call with the same profiles and data: what the allocator does not change is then not computed
            again.
        progress : callable, optional
            Told in a few words what is done next; ``print`` will do.

        Returns
        -------
        RotationResult

        Raises
        ------
        InputError, LabelError, ShapeError, SpecificationError
            For data that do not belong together, are missing, or do not reach.
        """
        found = signals_for(self, data, start_date, end_date, signals, progress)
        (progress or silent)("allocating and accounting")
        return self.run_rows(RotationRows(found, data.volatility_index))

    def run_rows(self, rows: RotationRows) -> RotationResult:
        """Run the engine on signals alone, without the data that they were computed from; `run` ends with this.

        Parameters
        ----------
        rows : RotationRows
            With signals of an engine with the same profiles, costs, fills and compatibility.

        Raises
        ------
        ShapeError, SpecificationError
            For anything else than such rows, or a leverage policy whose volatility index they lack.
        """
        signals = require_kind(rows, RotationRows, "the rows of the engine").signals
        require_settings(self, signals)
        return self._result(rows, allocate(signals.desirability, self.limits, solver=self.solver))

    def account(
        self, data: RotationData, signals: RotationSignals, allocation: Allocation[pd.DataFrame, pd.Series[Any]]
    ) -> RotationResult:
        """Size and account for weights that were found some other way; `run` does this with `allocate`'s."""
        return self._result(RotationRows(signals, data.volatility_index), allocation)

    def equity(self, data: RotationData, signals: RotationSignals, weights: pd.DataFrame) -> pd.Series[float]:
        """Equity of any weights on the same signals, sized and accounted for in the same way."""
        return self._carry_out(RotationRows(signals, data.volatility_index), weights)[0].equity

    def _result(self, rows: RotationRows, allocation: Allocation[pd.DataFrame, pd.Series[Any]]) -> RotationResult:
        ledger, policies, scaling = self._carry_out(rows, allocation.weights)
        return RotationResult(
            ledger=ledger,
            allocation=allocation,
            signals=rows.signals,
            exposure_policies=policies,
            volatility_scaling=scaling,
        )

    def _carry_out(
        self, rows: RotationRows, weights: pd.DataFrame
    ) -> tuple[Ledger, tuple[Exposure, ...], VolatilityScaling | None]:
        signals = rows.signals
        exposure, policies = exposure_of(
            self.vix_scale_threshold, self.vix_scale_factor, self.leverage, rows.volatility_index, signals
        )
        scaling: VolatilityScaling | None = None
        if self.volatility_target is not None:
            scaling = self.volatility_target.scale(weights.mul(exposure, axis=0), signals.returns, self.lag)
            exposure = exposure * scaling.scale
        execution = Execution(mode="constant-mix", lag=self.lag, costs=self.rotation_costs, financing=self.financing)
        ledger = account_with_resizing(weights, execution, signals, exposure, self.capital, charged=self.resizing)
        return ledger, policies, scaling
