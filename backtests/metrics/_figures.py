"""The figures that a whole curve and the bars of one regime have in common, computed in one pass over arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api.typing import NaTType

from allocopt.backtests.metrics import _numbers
from allocopt.backtests.metrics._curve import BoolArray, Curve, FloatArray, IntArray
from allocopt.backtests.metrics.drawdown import episodes
from allocopt.backtests.metrics.ratios import balanced_performance_score
from allocopt.backtests.metrics.sharpe_error import standard_error


@dataclass(frozen=True, kw_only=True, eq=False)
class Figures:
    """Figures of n bars; `Performance` says what each of them means."""

    bars: int
    total_return: float
    annual_return: float
    mean_annual_return: float
    cagr: float
    volatility: float
    sharpe: float
    sharpe_standard_error: float | None
    sortino: float
    calmar: float
    max_drawdown: float
    max_drawdown_peak: pd.Timestamp | NaTType
    max_drawdown_trough: pd.Timestamp | NaTType
    max_drawdown_recovery: pd.Timestamp | NaTType
    recovery_time: pd.Timedelta | NaTType
    max_drawdown_money: float
    money_drawdown_peak: pd.Timestamp | NaTType
    money_drawdown_trough: pd.Timestamp | NaTType
    number_of_drawdowns: int
    mean_drawdown: float
    longest_drawdown: pd.Timedelta | NaTType
    win_rate_active: float | None
    win_rate_all: float
    profit_factor: float
    turnover_per_year: float | None
    bps: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """What the caller gave beside the curve, by bar; None for what was not asked."""

    periods_per_year: float
    cash: FloatArray | float
    lags: int | None
    active: BoolArray | None
    turnover: FloatArray | None


def measure(curve: Curve, given: Given, rows: IntArray | None = None) -> Figures:
    """Figures of all bars of a curve, or of the bars on some rows (bar k ends on row k + 1)."""
    periods = given.periods_per_year
    excess = curve.returns - given.cash
    years, active, turnover = curve.years, given.active, given.turnover
    dates, values, returns, total = curve.dates, curve.values, curve.returns, curve.returns.size
    if rows is not None:
        values = joined(values, rows)
        dates = dates[np.append(rows[0], rows + 1)]
        returns, excess, years = returns[rows], excess[rows], years[rows]
        active = None if active is None else active[rows]
        turnover = None if turnover is None else turnover[rows]
    bars = returns.size
    growth = float(values[-1] / values[0])
    annual = _numbers.growth_rate(growth, periods / bars)
    compound = _numbers.growth_rate(growth, 1.0 / float(years.sum()))
    sharpe = _numbers.sharpe(excess, periods)
    wins = _numbers.win_rate(returns)

    found = episodes(values)
    none = not found.depth.size
    deepest = 0.0 if none else float(found.depth.max())
    row, money_row = (-1, -1) if none else (int(found.depth.argmax()), int(found.money.argmax()))
    recovered = not none and bool(found.recovery[row] <= bars)
    # Longest by the calendar, on integers: dates are made for one drawdown only.
    ticks, end = dates.asi8, np.minimum(found.recovery, bars)
    longest = -1 if none else int((ticks[end] - ticks[found.peak]).argmax())

    return Figures(
        bars=bars,
        total_return=growth - 1.0,
        annual_return=annual,
        mean_annual_return=float(returns.mean()) * periods,
        cagr=compound,
        volatility=_numbers.deviation(returns) * math.sqrt(periods),
        sharpe=sharpe,
        sharpe_standard_error=None
        if given.lags is None
        else standard_error(excess, periods, given.lags, rows=rows, total=total),
        sortino=_numbers.sortino(excess, periods),
        calmar=_numbers.ratio(annual, deepest),
        max_drawdown=deepest,
        max_drawdown_peak=pd.NaT if none else dates[found.peak[row]],
        max_drawdown_trough=pd.NaT if none else dates[found.trough[row]],
        max_drawdown_recovery=dates[found.recovery[row]] if recovered else pd.NaT,
        recovery_time=dates[found.recovery[row]] - dates[found.trough[row]] if recovered else pd.NaT,
        max_drawdown_money=0.0 if none else float(found.money[money_row]),
        money_drawdown_peak=pd.NaT if none else dates[found.peak[money_row]],
        money_drawdown_trough=pd.NaT if none else dates[found.trough[money_row]],
        number_of_drawdowns=found.depth.size,
        mean_drawdown=math.nan if none else float(found.depth.mean()),
        longest_drawdown=pd.NaT if none else dates[end[longest]] - dates[found.peak[longest]],
        win_rate_active=None if active is None else _numbers.win_rate(returns, active),
        win_rate_all=wins,
        profit_factor=_numbers.profit_factor(returns),
        turnover_per_year=None if turnover is None else float(turnover.sum()) / (bars / periods),
        bps=balanced_performance_score(sharpe, compound, wins, deepest),
    )


def joined(values: FloatArray, rows: IntArray) -> FloatArray:
    """Value of an account that starts with the same capital and earns only the bars on the given rows.

    Within a run of consecutive bars the values are ratios to the one before the run, not products of returns, and the
    next run starts from the very float on which the last one ended: what is equal on the curve stays equal here, and
    rounding makes no drawdowns.
    """
    first = np.flatnonzero(np.diff(rows, prepend=rows[0] - 2) > 1)
    lengths = np.diff(np.append(first, rows.size))
    before = values[rows[first]]
    growth = values[rows[first + lengths - 1] + 1] / before
    level = np.cumprod(np.concatenate((values[:1], growth[:-1])))
    return np.concatenate((values[:1], np.repeat(level, lengths) * (values[rows + 1] / np.repeat(before, lengths))))
