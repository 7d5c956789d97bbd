"""Every option that a run may fill, on every row on which it may be held: prices, greeks and costs, in one pass a leg.

Cells are laid out flat: an option filled at row f has the cells ``start[f]`` to ``start[f] + last[f] - f``, one a row.
A cell knows its own row alone, so nothing here sees a later one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allocopt.backtests.options import greeks, price
from allocopt.backtests.profiles._calendar import expiry_days
from allocopt.backtests.profiles._inputs import BoolArray, FloatArray, IntArray, Rows
from allocopt.backtests.profiles.costs import SPREAD_TENOR, ExecutionCosts
from allocopt.backtests.profiles.specification import Leg
from allocopt.backtests.profiles.strikes import FractionOfSpot, TargetDelta

_HALVINGS = 52  # of an interval of log strikes: to the last bits
_WIDEST = 8.0  # log strikes in at-the-money standard deviations: no delta from 0.01 to 0.99 lies beyond


@dataclass(frozen=True, eq=False)
class LegTable:
    """All cells of one leg. Money per share, but for costs, which are money per contract."""

    leg: Leg
    start: IntArray  # (T,), -1 where no fill is possible
    last: IntArray  # (T,)
    strike: FloatArray  # (T,)
    expiry: IntArray  # (T,), day ordinal
    price: FloatArray  # (cells,), and so on
    volatility: FloatArray
    delta: FloatArray
    gamma: FloatArray
    vega: FloatArray
    theta: FloatArray
    points: FloatArray
    buying: FloatArray  # (tiers of slippage, cells); NaN in a tier that no order has
    selling: FloatArray

    @property
    def sign(self) -> int:
        """+1 for a call, -1 for a put."""
        return 1 if self.leg.kind == "call" else -1

    def cell(self, origin: int, row: int) -> int:
        """Place of a row in the life of the option struck at another."""
        return int(self.start[origin]) + row - origin

    def cost(self, side: float, tier: int) -> FloatArray:
        """Cost of one contract in each cell, bought where `side` is above 0 and sold otherwise."""
        found: FloatArray = (self.buying if side > 0 else self.selling)[tier]
        return found


def leg_table(leg: Leg, rows: Rows, fills: BoolArray, costs: ExecutionCosts) -> LegTable:
    """Strike, age and price one leg for every row on which it may be filled."""
    total = len(rows)
    filled = np.flatnonzero(fills)
    expiry = np.zeros(total, dtype=np.int64)
    expiry[filled] = expiry_days(rows.days[filled], leg.days, rows.holidays).astype(np.int64)
    last = np.full(total, -1, dtype=np.int64)
    last[filled] = np.minimum(np.searchsorted(rows.ordinals, expiry[filled]), total - 1)
    strike = np.full(total, np.nan)
    strike[filled] = _strikes(leg, rows, filled, (expiry - rows.ordinals)[filled].astype(np.float64))

    count = last[filled] - filled + 1
    first = np.cumsum(count) - count
    start = np.full(total, -1, dtype=np.int64)
    start[filled] = first
    opened = np.repeat(filled, count)
    row = opened + np.arange(count.sum()) - np.repeat(first, count)

    days = np.maximum(expiry[opened] - rows.ordinals[row], 0).astype(np.float64)
    k, s = strike[opened], rows.spot[row]
    sign = 1 if leg.kind == "call" else -1
    value = np.maximum(sign * (s - k), 0.0)  # at expiry; the others follow
    volatility = np.full(len(row), np.nan)
    parts = {name: np.zeros(len(row)) for name in ("delta", "gamma", "vega", "theta")}
    alive = np.flatnonzero(days > 0.0)
    if alive.size:
        at, years = row[alive], days[alive] / 365.0
        rate, dividend = rows.rate[at], rows.dividend[at]
        log_moneyness = np.log(k[alive] / s[alive]) - (rate - dividend) * years
        sigma = rows.volatility(at, days[alive], log_moneyness)
        sigma = np.where(sigma > 0.0, sigma, np.nan)  # refused where it is needed, with its date
        good = np.isfinite(sigma)
        use = np.where(good, sigma, 1.0)
        made = greeks(sign, s[alive], k[alive], years, use, rate, dividend)
        value[alive] = np.where(good, price(sign, s[alive], k[alive], years, use, rate, dividend), np.nan)
        for name, column in parts.items():
            column[alive] = np.where(good, getattr(made, name), np.nan)
        volatility[alive] = sigma
    # An option at expiry has no volatility: it keeps that of the row before, so that no vega P&L is made of it.
    done = np.flatnonzero(days == 0.0)
    volatility[done] = volatility[done - 1]
    level = _points(rows, row)
    buying, selling = (np.full((len(costs.slippage_tiers), len(row)), np.nan) for _ in (1, -1))
    known = costs.order_capital is None
    for tier in [costs.tier_of(leg.quantity)] if known else range(len(costs.slippage_tiers)):
        for way, table in ((1, buying), (-1, selling)):
            table[tier] = costs.per_contract(way, value, s, k, days, level, tier).total
    return LegTable(
        leg, start, last, strike, expiry, value, volatility, **parts, points=level, buying=buying, selling=selling
    )


def _points(rows: Rows, row: IntArray) -> FloatArray:
    """At-the-money volatility of the spread's tenor on each row, in points."""
    used, back = np.unique(row, return_inverse=True)
    level = 100.0 * rows.volatility(used, np.full(len(used), SPREAD_TENOR), np.zeros(len(used)))
    found: FloatArray = level[back]
    return found


def _strikes(leg: Leg, rows: Rows, filled: IntArray, days: FloatArray) -> FloatArray:
    spot = rows.spot[filled]
    if isinstance(leg.strike, FractionOfSpot):
        return spot * leg.strike.fraction
    return _by_delta(leg, leg.strike, rows, filled, days)


def _by_delta(leg: Leg, rule: TargetDelta, rows: Rows, filled: IntArray, days: FloatArray) -> FloatArray:
    """Halve an interval of log strikes around the forward; a call's delta falls in it, a put's rises in size."""
    sign = 1 if leg.kind == "call" else -1
    spot, rate, dividend = rows.spot[filled], rows.rate[filled], rows.dividend[filled]
    years = days / 365.0
    forward = spot * np.exp((rate - dividend) * years)
    reach = _WIDEST * rows.volatility(filled, days, np.zeros(len(filled))) * np.sqrt(years)
    reach = np.where(reach > 0.0, reach, 0.0)  # without a volatility there is no price either, and that is refused
    low, high = -reach, reach
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        sigma = rows.volatility(filled, days, middle)
        use = np.where(sigma > 0.0, sigma, 1.0)
        size = np.abs(greeks(sign, spot, forward * np.exp(middle), years, use, rate, dividend).delta)
        higher = (size > rule.delta) == (sign > 0)
        low, high = np.where(higher, middle, low), np.where(higher, high, middle)
    found: FloatArray = forward * np.exp(0.5 * (low + high))
    return found
