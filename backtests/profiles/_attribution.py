"""P&L of options by greek, along the straight line from one close to the next.

The value of an option is a function of spot, volatility and time. Along a path from one close to the next its change is
the sum of the integrals of delta over the spot, vega over the volatility and theta over the time: exactly, however
large the move and however near the expiry. The path is the straight one, which splits the cross terms evenly (Aumann
and Shapley's value; for prices and volatilities see Carr and Wu's P&L attribution, which stops at the second order).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from allocopt.backtests.options import greeks
from allocopt.backtests.profiles._inputs import FloatArray, IntArray
from allocopt.backtests.profiles.specification import MULTIPLIER

if TYPE_CHECKING:
    from allocopt.backtests.profiles._walk import Walk

GREEKS = ("delta", "gamma", "vega", "theta")

#: Points of the Gauss-Legendre rule along each path. With twice as many no part of a trade moves by 1e-4 of its size.
NODES = 16


def along_paths(walk: Walk) -> dict[str, FloatArray]:
    """P&L of one unit's options over each row by greek, money: ``delta`` at the start's delta, ``gamma`` the rest."""
    total = len(walk.rows)
    parts = {name: np.zeros(total) for name in GREEKS}
    for leg, table in enumerate(walk.tables):
        lots = [lot for lot in walk.lots if lot.leg == leg]
        ends = [lot.closed if lot.closed >= 0 else total - 1 for lot in lots]
        count = np.array([end - lot.opened for lot, end in zip(lots, ends, strict=True)], dtype=np.int64)
        if not count.sum():
            continue
        origin: IntArray = np.repeat(np.array([lot.origin for lot in lots], dtype=np.int64), count)
        weight = np.repeat([lot.quantity * MULTIPLIER for lot in lots], count)
        row: IntArray = np.concatenate(
            [np.arange(lot.opened + 1, end + 1) for lot, end in zip(lots, ends, strict=True)]
        )
        cell: IntArray = table.start[origin] + row - origin
        for name, value in _integrals(walk, leg, origin, row, cell).items():
            np.add.at(parts[name], row, weight * value)
    return parts


def _integrals(walk: Walk, leg: int, origin: IntArray, row: IntArray, cell: IntArray) -> dict[str, FloatArray]:
    """Per share, for the cells that end each row."""
    rows, table = walk.rows, walk.tables[leg]
    before = row - 1
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    v = 0.5 * (nodes + 1.0)
    # Near an expiry at the strike theta grows like (1 - s)^(-1/2) along the path; in v it does not.
    s, ds = 1.0 - (1.0 - v) ** 2, weights * (1.0 - v)
    spot, move = rows.spot[before], rows.spot[row] - rows.spot[before]
    level = table.volatility[cell - 1]
    shift = table.volatility[cell] - level
    left = np.maximum(table.expiry[origin] - rows.ordinals[before], 0) / 365.0
    passed = left - np.maximum(table.expiry[origin] - rows.ordinals[row], 0) / 365.0
    at = s[:, None]
    made = greeks(
        table.sign,
        spot + at * move,
        table.strike[origin],
        left - at * passed,
        level + at * shift,
        rows.rate[before],
        rows.dividend[before],
    )
    mean = {name: ds @ getattr(made, name) for name in ("delta", "vega", "theta")}
    start = table.delta[cell - 1]
    return {
        "delta": start * move,
        "gamma": (mean["delta"] - start) * move,
        "vega": mean["vega"] * shift,
        "theta": mean["theta"] * passed,
    }
