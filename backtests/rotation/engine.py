"""The rotation engine: scores and regimes decide weights, profiles on a surface earn, one ledger accounts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.allocation import Allocation, AnySolver, SolverName, allocate, find_solver
from allocopt.backtests._checks import day, plain, require_kind, require_same_clock
from allocopt.backtests.accounting import Execution, Financing, Ledger, account
from allocopt.backtests.accounting.execution import require_lag
from allocopt.backtests.options import VolatilitySurface
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
    ProfileResult,
    ProfileSpecification,
    published_profiles,
    run_profiles,
)
from allocopt.backtests.rotation.features import compute_features
from allocopt.backtests.rotation.market import OHLCV
from allocopt.backtests.rotation.regimes import classify_regimes
from allocopt.backtests.rotation.result import RotationResult
from allocopt.backtests.rotation.scores import profile_scores
from allocopt.backtests.rotation.volatility import ImpliedVolatility
from allocopt.compatibility import RegimeCompatibility, desirability
from allocopt.costs import Cost, ProportionalCost
from allocopt.errors import SpecificationError
from allocopt.limits import Limits

#: What re-weighting the profiles costs, a side: five basis points of the capital that changes hands.
ROTATION_COST = ProportionalCost(0.0005)

Date = str | pd.Timestamp

#: Told in a few words what is done next.
Progress = Callable[[str], object]


@dataclass(frozen=True, eq=False)
class RotationData:
    """Everything that the engine is run on.

    Attributes
    ----------
    market : OHLCV
        Bars of the index or ETF, with enough rows before the first date that is studied.
    implied : ImpliedVolatility
        Implied volatilities of 7, 20 and 60 days, for the scores.
    surface : VolatilitySurface
        Marks the options.
    volatility_index : Series, optional
        Points, for a leverage policy that asks for it.
    rate, dividend : float or Series, default 0.0
        Of the option prices, decimal per year, continuously compounded.
    """

    market: OHLCV
    implied: ImpliedVolatility
    surface: VolatilitySurface
    volatility_index: pd.Series[float] | None = None
    rate: float | pd.Series[float] = 0.0
    dividend: float | pd.Series[float] = 0.0


@dataclass(frozen=True)
class SignalSettings:
    """Settings of an engine that its signals depend on: signals are for engines with the same ones only."""

    profiles: tuple[tuple[str, ProfileSpecification], ...]
    profile_costs: ExecutionCosts
    fill_lag: int
    hedge_lag: int
    compatibility: str


@dataclass(frozen=True, eq=False)
class RotationSignals:
    """What is known at the close of each studied row, and the profiles' own backtests.

    Attributes
    ----------
    features, scores : DataFrame
    regimes : Series of int
    desirability : DataFrame
        Score times regime compatibility.
    profiles : dict of str to ProfileResult
    returns : DataFrame
        Return of each profile over each row, on the capital that funds one unit.
    settings : SignalSettings
        Settings of the engine that these depend on.
    """

    features: pd.DataFrame
    scores: pd.DataFrame
    regimes: pd.Series[int]
    desirability: pd.DataFrame
    profiles: dict[str, ProfileResult]
    returns: pd.DataFrame
    settings: SignalSettings

    @property
    def dates(self) -> pd.DatetimeIndex:
        """The studied rows."""
        return pd.DatetimeIndex(self.desirability.index)


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
    profile_costs : ExecutionCosts
        What trading the profiles' options and hedges costs.
    rotation_costs : Cost or sequence of Cost
        What changing the weights costs, on the change, beside the profiles' own costs.
    compatibility : RegimeCompatibility
    lag : int, default 1
        Rows from a decision to the period that it earns.
    fill_lag, hedge_lag : int, default 1
        Of the profiles' own orders and hedges, see `run_profile`.
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
    rotation_costs: Cost | Sequence[Cost] = ROTATION_COST
    compatibility: RegimeCompatibility = field(default_factory=RegimeCompatibility)
    lag: int = 1
    fill_lag: int = 1
    hedge_lag: int = 1
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
        require_kind(data, RotationData, "the data of the engine")
        tell = progress or _silent
        tell("features, regimes and scores")
        market = _until(data.market, end_date)  # what comes later is not read, so it need not be complete
        features = compute_features(market)
        regimes = classify_regimes(features)
        implied = data.implied if data.implied.index.equals(market.index) else _extended(data.implied, market.index)
        scores = profile_scores(market, features, implied)[list(self.profiles)]
        defined = (scores.notna().all(axis=1) & regimes.notna()).to_numpy()
        rows = _window(market.index, defined, start_date, end_date)
        dates = market.index[rows]
        studied = OHLCV(market.frame.loc[dates])
        scores, kept = scores.loc[dates], regimes.loc[dates].astype("int64")
        tell(f"{len(self.profiles)} profiles on {len(dates):,} rows")
        made = run_profiles(
            self.profiles,
            studied,
            scores,
            kept,
            data.surface,
            rate=data.rate,
            dividend=data.dividend,
            costs=self.profile_costs,
            fill_lag=self.fill_lag,
            hedge_lag=self.hedge_lag,
        )
        returns = pd.DataFrame({name: result.returns for name, result in made.items()})
        wanted = desirability(scores, kept, self.compatibility)
        return RotationSignals(features.loc[dates], scores, kept, wanted, made, returns, self.settings)

    @property
    def settings(self) -> SignalSettings:
        """What the signals depend on."""
        return SignalSettings(
            tuple(self.profiles.items()),
            self.profile_costs,
            self.fill_lag,
            self.hedge_lag,
            self.compatibility.matrix.to_json(double_precision=15),
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
        (progress or _silent)("allocating and accounting")
        allocation = allocate(found.desirability, self.limits, solver=self.solver)
        return self.account(data, found, allocation)

    def account(
        self, data: RotationData, signals: RotationSignals, allocation: Allocation[pd.DataFrame, pd.Series[Any]]
    ) -> RotationResult:
        """Size and account for weights that were found some other way; `run` does this with `allocate`'s."""
        ledger, policies, scaling = self._carry_out(data, signals, allocation.weights)
        return RotationResult(
            ledger=ledger,
            allocation=allocation,
            signals=signals,
            exposure_policies=policies,
            volatility_scaling=scaling,
        )

    def equity(self, data: RotationData, signals: RotationSignals, weights: pd.DataFrame) -> pd.Series[float]:
        """Equity of any weights on the same signals, sized and accounted for in the same way."""
        return self._carry_out(data, signals, weights)[0].equity

    def _carry_out(
        self, data: RotationData, signals: RotationSignals, weights: pd.DataFrame
    ) -> tuple[Ledger, tuple[Exposure, ...], VolatilityScaling | None]:
        exposure, policies = self._exposure(data, signals)
        scaling: VolatilityScaling | None = None
        if self.volatility_target is not None:
            scaling = self.volatility_target.scale(weights.mul(exposure, axis=0), signals.returns, self.lag)
            exposure = exposure * scaling.scale
        execution = Execution(mode="constant-mix", lag=self.lag, costs=self.rotation_costs, financing=self.financing)
        ledger = account(weights, None, execution, returns=signals.returns, exposure=exposure, capital=self.capital)
        return ledger, policies, scaling

    def _exposure(self, data: RotationData, signals: RotationSignals) -> tuple[pd.Series[float], tuple[Exposure, ...]]:
        dates = signals.dates
        policies: list[Exposure] = []
        if self.vix_scale_threshold is not None:
            rule = RealizedVolHalving(self.vix_scale_threshold, self.vix_scale_factor)
            policies.append(rule.exposure(dates, realized_volatility=signals.features["rv20"]))
        if self.leverage is not None:
            policies.append(
                self.leverage.exposure(
                    dates, volatility_index=data.volatility_index, realized_volatility=signals.features["rv20"]
                )
            )
        total = pd.Series(1.0, index=dates, name="exposure")
        for policy in policies:
            total = total * policy.decided
        return total.rename("exposure"), tuple(policies)


def _silent(what: str) -> None:
    """Tell nobody."""


def signals_for(
    engine: RotationEngine,
    data: RotationData,
    start: Date | None,
    end: Date | None,
    signals: RotationSignals | None,
    progress: Progress | None = None,
) -> RotationSignals:
    """Signals that were given, or those of a window; both at once would leave the window unread."""
    if signals is None:
        return engine.signals(data, start_date=start, end_date=end, progress=progress)
    if start is not None or end is not None:
        raise SpecificationError(
            "signals are given together with a window",
            value=(str(start), str(end)),
            remedy="give the window to RotationEngine.signals, and leave it out here",
        )
    found = require_kind(signals, RotationSignals, "the signals")
    if found.settings != engine.settings:
        raise SpecificationError(
            "the signals were made with other profiles, costs, lags or compatibility than the engine has",
            remedy="call signals() of this engine",
        )
    return found


def _extended(implied: ImpliedVolatility, index: pd.DatetimeIndex) -> ImpliedVolatility:
    """Implied volatilities on the market's rows, missing before their first date."""
    require_same_clock(index, implied.index, "the implied volatility")
    own = implied.frame.reindex(index)
    first = int(index.searchsorted(implied.index[0]))
    if first == len(index):
        raise SpecificationError(
            "implied volatility begins after the last row",
            where=day(implied.index[0]),
            value=day(index[-1]),
            remedy="give volatilities of the same dates as the bars",
        )
    implied.on(index[first:])  # raises where a later row has none
    sources = implied.source.reindex(index).fillna("none")
    return ImpliedVolatility(own, sources)


def _window(index: pd.DatetimeIndex, defined: npt.NDArray[np.bool_], start: Date | None, end: Date | None) -> slice:
    """Rows from start to end, on all of which scores and regimes are defined."""
    if not defined.any():
        raise SpecificationError(
            "no row has scores and a regime", value=f"{len(index)} rows", remedy="give at least 120 consecutive bars"
        )
    first = int(defined.argmax()) if start is None else int(index.searchsorted(stamp(start, index)))
    last = len(index) if end is None else int(index.searchsorted(stamp(end, index), side="right"))
    if last - first < 2:
        raise SpecificationError(
            "the window holds fewer than two rows", value=(str(start), str(end)), remedy="choose other dates"
        )
    lacking = np.flatnonzero(~defined[first:last])
    if lacking.size:
        raise SpecificationError(
            "scores or the regime are not defined on a studied row",
            where=day(index[first + int(lacking[0])]),
            remedy=f"start on or after {day(index[int(defined.argmax())])}, or give earlier bars for the warm-up",
        )
    return slice(first, last)


def _until(market: OHLCV, end: Date | None) -> OHLCV:
    """Bars up to and including a date; all of them where none is left, which `_window` reports."""
    last = len(market) if end is None else int(market.index.searchsorted(stamp(end, market.index), side="right"))
    return market if last in (0, len(market)) else OHLCV(market.frame.iloc[:last])


def stamp(date: Date, index: pd.DatetimeIndex) -> pd.Timestamp:
    """Read a date on the clock of an index; a `SpecificationError` for what is none."""
    try:
        stamp = pd.Timestamp(date)
    except (TypeError, ValueError) as error:
        raise SpecificationError("not a date", value=plain(date), remedy="write it like 2020-01-02") from error
    if pd.isna(stamp):
        raise SpecificationError("not a date", value=str(date), remedy="write it like 2020-01-02")
    stamp = stamp.tz_localize(index.tz) if index.tz is not None and stamp.tz is None else stamp
    require_same_clock(index, pd.DatetimeIndex([stamp]), "the window and the bars")
    return stamp
