"""The basket once more, one row at a time: each row sees its own closes and what was kept of the rows before it.

Nothing here looks ahead, because nothing ahead exists yet: `Stream.push` is given one row and remembers the rest. Sums
over windows are kept as whole numbers of 2**-120, so they are exact however long the run is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul

from allocopt.backtests.audit.parameters import Parameters
from allocopt.backtests.audit.weights import Weights, allocate

_ONE = 2.0**120
#: A target of this size or more is no target: a book without leverage does not reach it.
LARGEST_TARGET = 5.0

#: A close this near its average, or a volatility this near its cap, is a matter of rounding.
NEAR = 1e-12


class WindowedDeviation:
    """Sample standard deviation of the last so many values, exact but for the last root."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._values: list[int] = []
        self._sum = 0
        self._squares = 0

    def push(self, value: float) -> float:
        """Take one value; gives the deviation, or NaN while there are too few values."""
        exact = int(value * _ONE)
        self._values.append(exact)
        self._sum += exact
        self._squares += exact * exact
        window = self._window
        if len(self._values) > window:
            old = self._values[-1 - window]
            self._sum -= old
            self._squares -= old * old
        elif len(self._values) < window:
            return math.nan
        spread = window * self._squares - self._sum * self._sum
        return math.sqrt(spread / (window * (window - 1))) / _ONE


class Stream:
    """All that the ledger reports, by row, from closes that arrive one row at a time.

    The lists that it fills have one entry a row. Weights are before leverage. ``choices`` holds what would be decided
    on each row if it were on the schedule, for the other phases; ``near_ties`` the rows on which a condition was a
    matter of rounding.
    """

    def __init__(self, parameters: Parameters, coins: int) -> None:
        self.parameters = parameters
        self.coins = coins
        self.returns: list[Weights] = []
        self.momentum: list[Weights] = []
        self.above_trend: list[tuple[bool, ...]] = []
        self.market_above: list[bool] = []
        self.market_volatility: list[float] = []
        self.choices: list[Weights] = []
        self.scheduled: list[int] = []
        self.composition: list[Weights] = []
        self.realized: list[float] = []
        self.scale: list[float] = []
        self.executed: list[Weights] = []
        self.turnover: list[float] = []
        self.gross: list[float] = []
        self.growth: list[float] = []
        self.equity: list[float] = []
        self.near_ties: list[int] = []
        self._closes: list[Weights] = []
        self._exact: list[list[int]] = [[] for _ in range(coins)]
        self._trend = [0] * coins
        self._market_trend = 0
        self._market_deviation = WindowedDeviation(parameters.volatility_window)
        self._book_deviation = WindowedDeviation(parameters.volatility_window)
        self._flat: Weights = (0.0,) * coins
        self._pending: Weights = self._flat

    def push(self, closes: Weights, funding: Weights | None = None) -> None:
        """Take one row: earn what was decided on the row before, then measure, decide and size."""
        row = len(self._closes)
        before = self._closes[-1] if row else closes
        returns = tuple(map(_return, closes, before))
        self._earn(row, returns, funding)
        self._measure(row, closes, returns)
        self._decide(row, returns)

    def _earn(self, row: int, returns: Weights, funding: Weights | None) -> None:
        p = self.parameters
        executed = self._pending if p.leverage else self._flat
        last = self.executed[-1] if row else self._flat
        turnover = math.fsum(abs(now - then) for now, then in zip(executed, last, strict=True))
        earned = sum(map(mul, executed, returns))
        if funding is not None and row:
            earned -= sum(map(mul, executed, funding))
        gross = 1.0 + p.leverage * earned
        growth = gross - p.leverage * p.fee * turnover
        self.returns.append(returns)
        self.executed.append(executed)
        self.turnover.append(turnover)
        self.gross.append(gross)
        self.growth.append(growth)
        self.equity.append((self.equity[-1] if row else p.capital) * growth)

    def _measure(self, row: int, closes: Weights, returns: Weights) -> None:
        p = self.parameters
        self._closes.append(closes)
        above = []
        for coin, close in enumerate(closes):
            history = self._exact[coin]
            history.append(int(close * _ONE))
            self._trend[coin] = _rolled(self._trend[coin], history, p.trend)
            above.append(row >= p.trend - 1 and self._over(history[-1], self._trend[coin], p.trend))
        market = self._exact[p.market]
        self._market_trend = _rolled(self._market_trend, market, p.market_trend)
        over = row >= p.market_trend - 1 and self._over(market[-1], self._market_trend, p.market_trend)
        volatility = self._market_deviation.push(returns[p.market]) if row else math.nan
        self._near(volatility - p.volatility_cap, p.volatility_cap)
        back = self._closes[row - p.momentum] if row >= p.momentum else None
        self.momentum.append(tuple(map(_return, closes, back)) if back else (math.nan,) * self.coins)
        self.above_trend.append(tuple(above))
        self.market_above.append(over)
        self.market_volatility.append(volatility)

    def _decide(self, row: int, returns: Weights) -> None:
        p = self.parameters
        before = self.composition[-1] if row else self._flat
        choice = choose(self, row, p)
        on_schedule = row >= p.warm_up + p.offset and (row - p.warm_up - p.offset) % p.interval == 0
        composition = choice if on_schedule else before
        book = p.exposure * sum(map(mul, before, returns))
        realized = self._book_deviation.push(book) * math.sqrt(p.periods_per_year)
        scale = size(realized, p.volatility_target)
        self.choices.append(choice)
        self.scheduled.append(int(on_schedule))
        self.composition.append(composition)
        self.realized.append(realized)
        self.scale.append(scale)
        self._pending = tuple(weight * p.exposure * scale for weight in composition)

    def _over(self, exact: int, total: int, window: int) -> bool:
        """Whether a close is over the average of its window, in whole numbers."""
        self._near(float(exact * window - total), float(total))
        return exact * window > total

    def _near(self, apart: float, size: float) -> None:
        row = len(self.scheduled)
        if abs(apart) <= NEAR * size and (not self.near_ties or self.near_ties[-1] != row):
            self.near_ties.append(row)


def choose(stream: Stream, row: int, parameters: Parameters) -> Weights:
    """Weights that the row would decide on: none in the warm-up or behind a closed gate."""
    p = parameters
    momentum = stream.momentum[row]
    open_gate = (
        row >= p.warm_up
        and stream.market_above[row]
        and momentum[p.market] > p.min_market_momentum
        and stream.market_volatility[row] <= p.volatility_cap
    )
    if not open_gate:
        return (0.0,) * stream.coins
    above = stream.above_trend[row]
    eligible = [coin for coin in range(stream.coins) if above[coin] and momentum[coin] > p.min_momentum]
    best = sorted(eligible, key=lambda coin: (-momentum[coin], coin))[: p.top]
    desirability = [0.0] * stream.coins
    for coin in best:
        desirability[coin] = 1.0 if p.weighting == "equal" else momentum[coin]
    return allocate(tuple(desirability), p.cap, p.floor, p.budget, p.solver, p.max_passes)


def size(realized: float, target: float) -> float:
    """Scale of the volatility target: full size while there is no volatility to divide by."""
    if math.isnan(realized) or realized == 0.0:
        return 1.0
    return min(1.0, min(target, LARGEST_TARGET) / realized)


def run(parameters: Parameters, closes: Sequence[Weights], funding: Sequence[Weights] | None = None) -> Stream:
    """Push every row, in order."""
    stream = Stream(parameters, len(closes[0]) if closes else 0)
    for row, now in enumerate(closes):
        stream.push(now, funding[row] if funding is not None else None)
    return stream


def _return(now: float, before: float) -> float:
    return now / before - 1.0


def _rolled(total: int, history: list[int], window: int) -> int:
    """Sum of the last so many entries, from the sum of the row before."""
    total += history[-1]
    return total - history[-1 - window] if len(history) > window else total
