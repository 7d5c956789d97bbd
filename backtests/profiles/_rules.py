"""What a profile wants at a close: the first of its rules that holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocopt.backtests.profiles._records import Trade, What

if TYPE_CHECKING:
    from allocopt.backtests.profiles._walk import Walk


def wanted(walk: Walk, row: int, trade: Trade, regime: int) -> tuple[What, str]:
    """First rule that holds: regime, stop, day limit, take-profit, days to expiry, greek limits; reason "" for none."""
    spec, rows = walk.specification, walk.rows
    gain, entry_cost = walk.gain(row), abs(trade.premium)
    if spec.direction_in(regime) != trade.direction:
        return "exit", "regime"
    if spec.stop is not None and -gain > spec.stop * entry_cost:
        return spec.stop_action, "stop"
    if spec.max_days is not None and rows.ordinals[row] - rows.ordinals[trade.began] >= spec.max_days:
        return "exit", "days"
    if spec.take_profit is not None and gain >= spec.take_profit * entry_cost:
        return spec.take_profit_action, "take-profit"
    if spec.roll_at_days is not None:
        left = [walk.days_left(lot, row) for lot in walk.live]
        due = {lot.leg for lot, days in zip(walk.live, left, strict=True) if days <= spec.roll_at_days}
        due |= set(range(len(spec.legs))) - {lot.leg for lot in walk.live}  # expired while an order was waiting
        if due:
            others = [days for lot, days in zip(walk.live, left, strict=True) if lot.leg not in due]
            renewed = [spec.legs[leg] for leg in due]
            alone = all(leg.rolled_alone and leg.days <= min(others, default=0) for leg in renewed)
            return ("legs" if alone else "roll"), "roll"
    if spec.greek_limits.any and _beyond_limits(walk, row):
        return "roll", "greeks"
    return "exit", ""


def _beyond_limits(walk: Walk, row: int) -> bool:
    limits = walk.specification.greek_limits
    scale = {"delta": 1.0, "gamma": 1.0, "vega": 1.0 / 100.0, "theta": 1.0 / 365.0}
    return any(
        limit is not None and abs(walk.net(name, row) * scale[name]) > limit
        for name, limit in ((name, getattr(limits, name)) for name in scale)
    )
