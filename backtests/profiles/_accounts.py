"""The accounts of a walk: P&L by row, its parts by greek, costs by cause, capital, and the proof that they add up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day
from allocopt.backtests.profiles._attribution import GREEKS, along_paths
from allocopt.backtests.profiles._carried import capital_needed, resizing_costs
from allocopt.backtests.profiles._inputs import FloatArray, IntArray
from allocopt.backtests.profiles._records import Lot, rows_of
from allocopt.backtests.profiles._walk import Walk
from allocopt.backtests.profiles.costs import CAUSES, ExecutionCosts
from allocopt.backtests.profiles.specification import MULTIPLIER
from allocopt.errors import LedgerError

#: Money by which sums of a run may differ from what they should sum to, for positions worth up to 10000.
TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Accounts:
    """Arrays by row; money of one unit."""

    pnl: FloatArray
    options: FloatArray
    hedge: FloatArray
    costs: FloatArray  # (T, 5), as CAUSES
    greeks: dict[str, FloatArray]  # at the start of the row; vega per 1.00, theta per year
    parts: dict[str, FloatArray]
    capital: FloatArray
    resizing: FloatArray  # (T, 2), at the start of the row: to add, and to remove, a unit of what is carried into it
    identities: dict[str, float]


def keep_accounts(walk: Walk, costs: ExecutionCosts) -> Accounts:
    """Add up every lot, twice: by cash and value, and by greek. Raise a `LedgerError` if the two disagree."""
    total = len(walk.rows)
    value, flow = np.zeros(total), np.zeros(total)
    net = {name: np.zeros(total) for name in GREEKS}
    by_price = np.zeros(total)
    for lot in walk.lots:
        table, weight = walk.tables[lot.leg], lot.quantity * MULTIPLIER
        end = lot.closed if lot.closed >= 0 else total - 1
        first, count = table.cell(lot.origin, lot.opened), end - lot.opened
        inside, over = slice(first, first + count), slice(lot.opened + 1, end + 1)
        worth = weight * table.price[first : first + count + 1]
        value[lot.opened : end] += worth[:-1]
        flow[lot.opened] -= worth[0]
        if lot.closed >= 0:
            flow[end] += worth[-1]
        else:
            value[end] += worth[-1]
        by_price[over] += np.diff(worth)
        for name in GREEKS:
            net[name][over] += weight * getattr(table, name)[inside]
    options = value + flow
    options[1:] -= value[:-1]
    hedge = walk.shares * walk.underlying
    charged = np.zeros((total, len(CAUSES)))
    _charge(charged, walk, costs)
    charged[:, -1] = walk.traded * costs.hedge_per_unit
    parts = {**along_paths(walk), "hedge": hedge, "costs": -charged.sum(axis=1)}
    parts["residual"] = by_price - sum(parts[name] for name in GREEKS)
    pnl = options + hedge - charged.sum(axis=1)
    identities = _prove(walk, pnl, parts, float(np.abs(value).max(initial=0.0)))
    return Accounts(pnl, options, hedge, charged, net, parts, capital_needed(walk), resizing_costs(walk), identities)


def _charge(charged: FloatArray, walk: Walk, costs: ExecutionCosts) -> None:
    """Book what every fill cost: openings on the row that begins then, closings on the row that ends then."""
    groups: dict[tuple[int, bool, int, int], list[Lot]] = {}
    for lot in walk.lots:
        side, tier = (1 if lot.quantity > 0 else -1), walk.tier(lot)
        groups.setdefault((lot.leg, True, side, tier), []).append(lot)
        if lot.closed >= 0 and not lot.settled:
            groups.setdefault((lot.leg, False, -side, tier), []).append(lot)
    for (leg, opening, side, tier), lots in groups.items():
        table = walk.tables[leg]
        origin: IntArray = np.array([lot.origin for lot in lots])
        row = np.array([lot.opened if opening else lot.closed for lot in lots])
        cell = table.start[origin] + row - origin
        left = (table.expiry[origin] - walk.rows.ordinals[row]).astype(np.float64)
        made = costs.per_contract(
            side, table.price[cell], walk.rows.spot[row], table.strike[origin], left, table.points[cell], tier
        )
        size = np.array([abs(lot.quantity) for lot in lots])
        for column, cause in enumerate(CAUSES[:-1]):
            np.add.at(charged[:, column], row + 1 if opening else row, size * getattr(made, cause))


def _prove(walk: Walk, pnl: FloatArray, parts: dict[str, FloatArray], largest: float) -> dict[str, float]:
    """Largest gaps between sums that must agree."""
    allowed = TOLERANCE * max(1.0, largest / 1e4)
    rows = np.abs(sum(parts.values()) - pnl)
    whole = np.zeros(len(pnl))
    for trade in walk.trades:
        last = rows_of(trade, len(pnl)).stop - 1
        whole[last] = abs(trade.pnl - pnl[rows_of(trade, len(pnl))].sum())
    outside = np.where(walk.holding[:-1] < 0, np.abs(pnl), 0.0)
    found = {}
    for name, gap in (
        ("parts of a row sum to its P&L", rows),
        ("rows of a trade sum to its P&L", whole),
        ("no P&L without a position", outside),
    ):
        worst = int(np.argmax(gap))
        found[name] = float(gap[worst])
        if not gap[worst] <= allowed * (100.0 if gap is whole else 1.0):
            raise LedgerError(
                f"the accounts of profile {walk.specification.name} do not add up: {name}",
                where=day(walk.rows.dates[worst]),
                value=found[name],
                remedy="report this with the data: no input should lead here",
            )
    return found


def greek_frame(accounts: Accounts, index: pd.DatetimeIndex) -> pd.DataFrame:
    """Net greeks in their customary units: vega per volatility point, theta per calendar day."""
    scale = {"delta": 1.0, "gamma": 1.0, "vega": 1 / 100, "theta": 1 / 365}
    return pd.DataFrame({name: accounts.greeks[name] * scale[name] for name in GREEKS}, index=index)
