"""What the trend basket decides on each row, from closes up to and including that row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocopt.allocation import allocate
from allocopt.backtests._checks import day, require_dates, require_kind
from allocopt.backtests.accounting import simple_returns
from allocopt.backtests.overlays import VolatilityScaling, VolatilityTarget
from allocopt.backtests.schedules import EveryRows
from allocopt.backtests.trend_basket.specification import TrendBasket
from allocopt.containers import require_unique
from allocopt.errors import InputError, LabelError, ShapeError, SpecificationError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Signals:
    """What is measured on every row, whatever the schedule.

    Attributes
    ----------
    returns, momentum : DataFrame, shape (T, n)
        Decimal return over the row, and over the momentum window (NaN in its warm-up).
    gate : Series of bool
        Whether the market coin trends up calmly: above its average, momentum over the minimum, volatility not over the
        cap. False where one of them is not defined yet.
    eligible : DataFrame of bool, shape (T, n)
        Coins above their own average with momentum over the minimum.
    """

    returns: pd.DataFrame
    momentum: pd.DataFrame
    gate: pd.Series[bool]
    eligible: pd.DataFrame


@dataclass(frozen=True, eq=False)
class BasketDecisions:
    """Decided weights of every row and what they come from. Row t uses closes up to row t.

    Attributes
    ----------
    signals : Signals
    composition : DataFrame, shape (T, n)
        Decided on the rows of the schedule, kept between them; zero in the warm-up. Cap and floor hold here.
    scheduled : Series of bool
        Rows on which a composition is decided.
    scale : Series
        Factor of the volatility target, decided on every row.
    realized : Series
        Volatility that the scale answers to, decimal per year; NaN in its warm-up.
    """

    signals: Signals
    composition: pd.DataFrame
    scheduled: pd.Series[bool]
    scale: pd.Series[float]
    realized: pd.Series[float]
    exposure: float

    @property
    def weights(self) -> pd.DataFrame:
        """Composition times exposure times scale: what is executed one row later, before leverage."""
        return self.composition.mul(self.exposure).mul(self.scale, axis=0)

    @property
    def first_signal(self) -> pd.Timestamp | None:
        """First row on which a coin is selected; None if that never happens."""
        chosen = (self.composition > 0.0).any(axis=1).to_numpy()
        return self.composition.index[int(chosen.argmax())] if chosen.any() else None


def decide(basket: TrendBasket, closes: pd.DataFrame) -> BasketDecisions:
    """Decide the basket's weights on every row.

    Parameters
    ----------
    basket : TrendBasket
    closes : DataFrame, shape (T, n)
        As for `TrendBasket.run`.

    Returns
    -------
    BasketDecisions

    Raises
    ------
    InputError, LabelError, ShapeError, SpecificationError
        As `TrendBasket.run`.
    """
    require_closes(basket, closes)
    return decide_from(basket, measure(basket, closes))


def measure(basket: TrendBasket, closes: pd.DataFrame) -> Signals:
    """Momentum, trends and the market's volatility on every row."""
    returns = simple_returns(closes)
    momentum = closes / closes.shift(basket.momentum) - 1.0  # a look back, not a shift of decisions
    market = market_coin(basket, closes.columns)
    volatility = returns[market].iloc[1:].rolling(basket.volatility_window).std().reindex(closes.index)
    gate = (
        (closes[market] > closes[market].rolling(basket.market_trend).mean())
        & (momentum[market] > basket.min_market_momentum)
        & (volatility <= basket.volatility_cap)
    )
    eligible = (closes > closes.rolling(basket.trend).mean()) & (momentum > basket.min_momentum)
    return Signals(returns, momentum, gate.rename("gate"), eligible)


def decide_from(basket: TrendBasket, signals: Signals) -> BasketDecisions:
    """Select, allocate and size; `measure` does not depend on the schedule and may be done once for many baskets."""
    dates = pd.DatetimeIndex(signals.gate.index)
    scheduled = EveryRows(basket.interval, start=basket.warm_up, offset=basket.offset).rows(dates)
    rows = np.flatnonzero(scheduled)
    momentum = signals.momentum.to_numpy()[rows]
    chosen = signals.eligible.to_numpy()[rows] & signals.gate.to_numpy()[rows, None]
    chosen &= _best(np.where(chosen, momentum, -np.inf), basket.top)
    desirability = pd.DataFrame(
        chosen.astype(np.float64) if basket.weighting == "equal" else np.where(chosen, momentum, 0.0),
        index=dates[rows],
        columns=signals.eligible.columns,
    )
    composition = pd.DataFrame(0.0, index=dates, columns=desirability.columns)
    if len(rows):
        decided = allocate(desirability, basket.limits, solver=basket.solver).weights
        composition = decided.reindex(dates, method="ffill").fillna(0.0)  # before the first decision: cash
    scaling = size(basket, composition * basket.exposure, signals.returns)
    return BasketDecisions(
        signals, composition, pd.Series(scheduled, dates, name="scheduled"), scaling.scale, scaling.realized,
        basket.exposure,
    )  # fmt: skip


def size(basket: TrendBasket, controlled: pd.DataFrame, returns: pd.DataFrame) -> VolatilityScaling:
    """Scale to the volatility target: full size while the estimate is undefined or zero, as the original."""
    wanted = basket.volatility_target
    target = VolatilityTarget(
        min(wanted, LARGEST_TARGET),
        basket.volatility_window,
        periods_per_year=basket.periods_per_year,
        undefined="full",
        zero="full",
    )
    return target.scale(controlled, returns)


#: A volatility target of this size or more is no target: a book without leverage does not reach it.
LARGEST_TARGET = 5.0


def market_coin(basket: TrendBasket, columns: pd.Index) -> object:
    """Label of the market coin's column."""
    if basket.market is not None:
        if basket.market not in columns:
            raise LabelError(
                "the market coin is no column of the closes", value=basket.market, remedy=f"one of {list(columns)}"
            )
        return basket.market
    found = [label for label in columns if str(label).upper().startswith("BTC")]
    if len(found) != 1:
        raise SpecificationError(
            "which column is the market coin is not clear",
            value=list(map(str, columns)),
            remedy="name it: TrendBasket(market=...)",
        )
    return found[0]


def require_closes(basket: TrendBasket, closes: pd.DataFrame) -> None:
    """Raise unless the closes are complete: one positive number a bar and coin, longer than the warm-up."""
    require_kind(closes, pd.DataFrame, "the table of closes")
    dates = require_dates(closes.index, "the table of closes")
    require_unique(closes.columns, "coin")
    market_coin(basket, closes.columns)
    if len(dates) <= basket.warm_up:
        raise ShapeError(
            "there are too few closes for the warm-up", value=len(dates), remedy=f"give more than {basket.warm_up} rows"
        )
    steps = np.diff(dates.as_unit("ns").asi8)
    wrong = steps != pd.Timedelta(basket.bar).as_unit("ns").value
    if wrong.any():
        row = int(wrong.argmax())
        raise LabelError(
            f"the closes are not one a bar of {basket.bar}: next {pd.Timedelta(int(steps[row]), 'ns')} later",
            where=day(dates[row]),
            remedy="call regular_closes(closes, bar) first, which fills and counts the gaps",
        )
    missing = closes.isna().to_numpy()
    if missing.any():
        row, column = np.argwhere(missing)[0].tolist()
        raise InputError(
            "a close is missing",
            where=f"{day(dates[row])}, coin {closes.columns[column]!r}",
            remedy="call regular_closes(closes, bar) first, which fills and counts the gaps",
        )


def _best(score: FloatArray, top: int) -> BoolArray:
    """Mark the ``top`` highest scores of each row; of equal ones the lower column."""
    order = np.argsort(-score, axis=1, kind="stable")
    found = np.zeros(score.shape, dtype=bool)
    np.put_along_axis(found, order[:, :top], True, axis=1)
    return found
