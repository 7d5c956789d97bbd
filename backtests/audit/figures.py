"""Figures of a curve, trades, horizons, months and volatilities, by plain loops over the rows."""

from __future__ import annotations

import math
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from allocopt.backtests.audit.parameters import Parameters
from allocopt.backtests.audit.weights import Weights

#: Horizons that are reported, and how many months before the last row they begin.
HORIZONS = (("full", None), ("3y", 36), ("1y", 12), ("6m", 6), ("3m", 3))

FIGURES = ("total_return", "annualized_return", "max_drawdown", "calmar", "turnover_per_year", "turnover")

Figures = dict[str, float]


@dataclass(frozen=True)
class Trade:
    """A spell in which a coin is held; ``close`` is the row that flattens it, None while it is open."""

    coin: int
    entry: int
    last: int
    close: int | None
    value: float


@dataclass(frozen=True)
class Trades:
    """All trades, by coin and then row, and the turnover by its purpose."""

    trades: list[Trade]
    entry: float
    inside: float
    closing: float


def figures_of(equity: Sequence[float], turnover: Sequence[float], periods_per_year: float) -> Figures:
    """Return, drawdown and turnover of a curve; what was traded on its first row was before it."""
    if len(equity) < 2:
        return dict.fromkeys(FIGURES, math.nan)
    years = (len(equity) - 1) / periods_per_year
    growth = equity[-1] / equity[0]
    try:
        annual = growth ** (1.0 / years) - 1.0 if growth > 0.0 else -1.0
    except OverflowError:
        annual = math.inf
    peak, drawdown = equity[0], 0.0
    for value in equity:
        if value > peak:
            peak = value
        elif value < peak:
            below = (peak - value) / peak
            drawdown = max(below, drawdown)
    traded = math.fsum(turnover[1:])
    return {
        "total_return": growth - 1.0,
        "annualized_return": annual,
        "max_drawdown": drawdown,
        "calmar": annual / drawdown if drawdown > 0.0 else math.nan,
        "turnover_per_year": traded / years,
        "turnover": traded,
    }


def curve(gross: Sequence[float], turnover: Sequence[float], charge: float, capital: float) -> list[float]:
    """Value by row from the growth before fees, with a charge on each row's turnover."""
    found, value = [], capital
    for growth, traded in zip(gross, turnover, strict=True):
        value *= growth - charge * traded
        found.append(value)
    return found


def trades_of(
    executed: Sequence[Weights],
    returns: Sequence[Weights],
    parameters: Parameters,
    funding: Sequence[Weights] | None = None,
) -> Trades:
    """Find the runs of rows on which a coin is held, each valued after leverage, fees and funding."""
    p = parameters
    charge = p.leverage * p.fee
    found: list[Trade] = []
    turnover: dict[str, list[float]] = {"entry": [], "inside": [], "close": []}
    rows = len(executed)
    for coin in range(len(executed[0]) if rows else 0):
        entry, value, before = -1, 1.0, 0.0
        for row in range(rows):
            weight = executed[row][coin]
            traded = abs(weight - before)
            if weight > 0.0:
                if before == 0.0:
                    entry, value = row, 1.0
                turnover["inside" if before > 0.0 else "entry"].append(traded)
                earned = returns[row][coin] - (funding[row][coin] if funding is not None else 0.0)
                value *= 1.0 + p.leverage * weight * earned - charge * traded
            elif before > 0.0:
                turnover["close"].append(traded)
                found.append(Trade(coin, entry, row - 1, row, value * (1.0 - charge * traded)))
            before = weight
        if before > 0.0:
            found.append(Trade(coin, entry, rows - 1, None, value))
    return Trades(found, *(math.fsum(turnover[part]) for part in ("entry", "inside", "close")))


def months_before(date: datetime, months: int) -> datetime:
    """Give the same time of the same day so many months earlier; the last day where that month is shorter.

    Examples
    --------
    >>> months_before(datetime(2024, 5, 31), 3)
    datetime.datetime(2024, 2, 29, 0, 0)
    """
    year, month = divmod(date.year * 12 + date.month - 1 - months, 12)
    return date.replace(year=year, month=month + 1, day=min(date.day, monthrange(year, month + 1)[1]))


def horizon_starts(dates: Sequence[datetime]) -> list[tuple[str, int]]:
    """Name and first row of each horizon: the last row at or before its date. Those before the data are left out."""
    found = []
    for name, months in HORIZONS:
        start = dates[0] if months is None else months_before(dates[-1], months)
        if start >= dates[0]:
            found.append((name, max(row for row, date in enumerate(dates) if date <= start)))
    return found


def deviation(values: Sequence[float]) -> float:
    """Sample standard deviation; NaN of fewer than two values."""
    if len(values) < 2:
        return math.nan
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
