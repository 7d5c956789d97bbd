"""The formulas on plain arrays, each written once, for the whole curve and for the bars of one regime."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from allocopt.backtests.metrics._curve import BoolArray, FloatArray

#: A return computed from two rounded values of the account is off by up to two units in the last place of 1 + r.
#: What varies by less than this does not vary, so that steady growth has no volatility in place of one of 1e-17.
_ROUNDING: Final = 8.0 * float(np.finfo(np.float64).eps)


def growth_rate(growth: float, times: float) -> float:
    """``growth ** times - 1``; infinite where that is beyond the largest float."""
    try:
        return math.expm1(math.log(growth) * times)
    except OverflowError:
        return math.inf


def deviation(x: FloatArray) -> float:
    """Sample standard deviation with ddof 1; 0 for a spread that rounding explains, NaN for fewer than two values."""
    if x.size < 2:
        return math.nan
    low, high = float(x.min()), float(x.max())
    if high - low <= _ROUNDING * (1.0 + max(abs(low), abs(high))):
        return 0.0
    return float(x.std(ddof=1))


def sharpe(excess: FloatArray, periods_per_year: float) -> float:
    """Mean over standard deviation, annualised; NaN where there is no deviation."""
    spread = deviation(excess)
    return float(excess.mean()) / spread * math.sqrt(periods_per_year) if spread > 0.0 else math.nan


def sortino(excess: FloatArray, periods_per_year: float) -> float:
    """Mean over the root mean square of what is below zero, all bars counted; NaN where nothing is below."""
    if float(excess.min()) >= -_ROUNDING:
        return math.nan
    below = np.minimum(excess, 0.0)
    return float(excess.mean()) / math.sqrt(float(below @ below) / below.size) * math.sqrt(periods_per_year)


def ratio(numerator: float, denominator: float) -> float:
    """Divide; NaN over zero."""
    return numerator / denominator if denominator != 0.0 else math.nan


def win_rate(returns: FloatArray, active: BoolArray | None = None) -> float:
    """Share of bars with a return above zero; of the active ones if they are given. NaN without bars."""
    wins = returns > 0.0
    if active is None:
        return ratio(float(np.count_nonzero(wins)), float(wins.size))
    return ratio(float(np.count_nonzero(wins & active)), float(np.count_nonzero(active)))


def profit_factor(returns: FloatArray) -> float:
    """Sum of gains over sum of losses; infinite without losses, NaN without either."""
    gains = float(returns[returns > 0.0].sum())
    losses = -float(returns[returns < 0.0].sum())
    if losses == 0.0:
        return math.inf if gains > 0.0 else math.nan
    return gains / losses
