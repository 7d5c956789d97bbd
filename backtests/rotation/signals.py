"""What is known before any allocator is asked: data, scores, regimes, and the profiles' own backtests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.backtests._checks import day, require_kind
from allocopt.backtests.options import VolatilitySurface
from allocopt.backtests.profiles import (
    ExecutionCosts,
    PartialFills,
    ProfileResult,
    ProfileSpecification,
    run_profiles,
)
from allocopt.backtests.rotation._rows import (
    Date,
    bars_until,
    extended,
    on_rows,
    require_two_rows,
    stamp,
    window_of,
)
from allocopt.backtests.rotation.features import compute_features
from allocopt.backtests.rotation.market import OHLCV
from allocopt.backtests.rotation.regimes import classify_regimes
from allocopt.backtests.rotation.scores import profile_scores
from allocopt.backtests.rotation.volatility import ImpliedVolatility
from allocopt.compatibility import RegimeCompatibility, desirability
from allocopt.errors import SpecificationError

__all__ = ["Date", "RotationData", "RotationSignals", "SignalSettings", "compute_signals"]

#: Told in a few words what is done next.
Progress = Callable[[str], object]

FloatArray = npt.NDArray[np.float64]


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
        Marks the options. It is asked for the studied dates only.
    volatility_index : Series, optional
        Points, for a leverage policy that asks for it.
    rate, dividend : float or Series, default 0.0
        Of the option prices, decimal per year, continuously compounded. A Series has every studied date.
    """

    market: OHLCV
    implied: ImpliedVolatility
    surface: VolatilitySurface
    volatility_index: pd.Series[float] | None = None
    rate: float | pd.Series[float] = 0.0
    dividend: float | pd.Series[float] = 0.0

    def until(self, date: Date) -> RotationData:
        """Give what was known at the close of a date: all tables up to and including it.

        The surface is kept: it is only ever asked for dates of the market. An own surface whose answers for a date
        depend on later ones must be cut by its owner.

        Raises
        ------
        SpecificationError
            For what is no date, or one before the first bar.

        Examples
        --------
        >>> from allocopt.rotation_data import rotation_data
        >>> known = rotation_data().data.until("2017-12-31")
        >>> f"{known.market.index[-1]:%Y-%m-%d} {known.implied.index[-1]:%Y-%m-%d}"
        '2017-12-29 2017-12-29'
        """
        last = stamp(date, self.market.index)
        rows = int(self.market.index.searchsorted(last, side="right"))
        if not rows:
            raise SpecificationError(
                "no bar is left", value=str(date), remedy=f"take a date from {day(self.market.index[0])} on"
            )
        known = self.implied.index <= last
        return replace(
            self,
            market=OHLCV(self.market.frame.iloc[:rows]),
            implied=ImpliedVolatility(self.implied.frame.loc[known], self.implied.source.loc[known]),
            volatility_index=None if self.volatility_index is None else self.volatility_index.loc[:last],
            rate=self.rate.loc[:last] if isinstance(self.rate, pd.Series) else self.rate,
            dividend=self.dividend.loc[:last] if isinstance(self.dividend, pd.Series) else self.dividend,
        )


@dataclass(frozen=True)
class SignalSettings:
    """Settings of an engine that its signals depend on: signals are for engines with the same ones only.

    Nothing of the allocator is among them (cap, floor, budget, solver), nor what sizes the book or charges for it.
    """

    profiles: tuple[tuple[str, ProfileSpecification], ...]
    profile_costs: ExecutionCosts
    fill_lag: int
    hedge_lag: int
    partial_fills: PartialFills | None
    compatibility: tuple[object, ...]


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
        Those of the whole run, also where the rows have been cut since.
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

    @cached_property
    def units_per_money(self) -> FloatArray:
        """Units that 1.00 in a profile holds over each row, shape (T, n); 0.0 where it holds nothing."""
        capital = self._of_profiles(lambda found: found.capital)
        return np.divide(1.0, capital, out=np.zeros_like(capital), where=capital > 0.0)

    @cached_property
    def cost_to_add(self) -> FloatArray:
        """Money to hold one unit more than over the row before, shape (T, n): see `ProfileResult`."""
        return self._of_profiles(lambda found: found.resizing["adding"])

    @cached_property
    def cost_to_remove(self) -> FloatArray:
        """Money to hold one unit less, shape (T, n)."""
        return self._of_profiles(lambda found: found.resizing["removing"])

    def window(self, start_date: Date | None = None, end_date: Date | None = None) -> RotationSignals:
        """Cut the rows to a window, both ends included: what a run over it decides and earns is the same as before.

        Raises
        ------
        SpecificationError
            For what is no date, or fewer than two rows.
        """
        dates = self.dates
        first = 0 if start_date is None else int(dates.searchsorted(stamp(start_date, dates)))
        last = len(dates) if end_date is None else int(dates.searchsorted(stamp(end_date, dates), side="right"))
        require_two_rows(first, last, start_date, end_date)
        rows = slice(first, last)
        return replace(
            self,
            features=self.features.iloc[rows],
            scores=self.scores.iloc[rows],
            regimes=self.regimes.iloc[rows],
            desirability=self.desirability.iloc[rows],
            returns=self.returns.iloc[rows],
        )

    def until(self, date: Date) -> RotationSignals:
        """Cut the rows to those up to and including a date; see `window`."""
        return self.window(None, date)

    def _of_profiles(self, column: Callable[[ProfileResult], pd.Series[float]]) -> FloatArray:
        found = pd.DataFrame({name: column(result) for name, result in self.profiles.items()})
        return found.loc[self.dates].to_numpy(dtype=np.float64)


def compute_signals(
    settings: SignalSettings,
    compatibility: RegimeCompatibility,
    data: RotationData,
    start_date: Date | None,
    end_date: Date | None,
    progress: Progress | None,
) -> RotationSignals:
    """See `RotationEngine.signals`."""
    require_kind(data, RotationData, "the data of the engine")
    tell = progress or silent
    tell("features, regimes and scores")
    market = bars_until(data.market, end_date)  # what comes later is not read, so it need not be complete
    features = compute_features(market)
    regimes = classify_regimes(features)
    implied = data.implied if data.implied.index.equals(market.index) else extended(data.implied, market.index)
    profiles = dict(settings.profiles)
    scores = profile_scores(market, features, implied)[list(profiles)]
    defined = (scores.notna().all(axis=1) & regimes.notna()).to_numpy()
    dates = market.index[window_of(market.index, defined, start_date, end_date)]
    scores, kept = scores.loc[dates], regimes.loc[dates].astype("int64")
    tell(f"{len(profiles)} profiles on {len(dates):,} rows")
    made, returns = _backtests(settings, data, scores, kept)
    wanted = desirability(scores, kept, compatibility)
    return RotationSignals(features.loc[dates], scores, kept, wanted, made, returns, settings)


def with_settings(signals: RotationSignals, settings: SignalSettings, data: RotationData) -> RotationSignals:
    """Run the profiles of signals anew with other costs, lags or fills; scores and regimes are the same."""
    made, returns = _backtests(settings, data, signals.scores, signals.regimes)
    return replace(signals, profiles=made, returns=returns, settings=settings)


def _backtests(
    settings: SignalSettings, data: RotationData, scores: pd.DataFrame, regimes: pd.Series[int]
) -> tuple[dict[str, ProfileResult], pd.DataFrame]:
    dates = pd.DatetimeIndex(scores.index)
    made = run_profiles(
        dict(settings.profiles),
        OHLCV(data.market.frame.loc[dates]),
        scores,
        regimes,
        data.surface,
        rate=on_rows(data.rate, dates, "rate"),
        dividend=on_rows(data.dividend, dates, "dividend"),
        costs=settings.profile_costs,
        fill_lag=settings.fill_lag,
        hedge_lag=settings.hedge_lag,
        partial_fills=settings.partial_fills,
    )
    return made, pd.DataFrame({name: result.returns for name, result in made.items()})


def silent(what: str) -> None:
    """Tell nobody."""
