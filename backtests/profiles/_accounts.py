"""The accounts of a walk: P&L by row, its parts by greek, costs by cause, capital, and the proof that they add up."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from allocopt.backtests._checks import day
from allocopt.backtests.profiles._inputs import FloatArray, IntArray
from allocopt.backtests.profiles._records import Lot, Trade
from allocopt.backtests.profiles._tables import LegTable
from allocopt.backtests.profiles._walk import Walk
from allocopt.backtests.profiles.capital import unit_capital
from allocopt.backtests.profiles.costs import CAUSES, ExecutionCosts
from allocopt.backtests.profiles.specification import MULTIPLIER
from allocopt.errors import LedgerError

GREEKS = ("delta", "gamma", "vega", "theta")

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
    identities: dict[str, float]


def keep_accounts(walk: Walk, costs: ExecutionCosts) -> Accounts:
    """Add up every lot, twice: by cash and value, and by greek. Raise a `LedgerError` if the two disagree."""
    total = len(walk.rows)
    value, flow = np.zeros(total), np.zeros(total)
    net = {name: np.zeros(total) for name in GREEKS}
    by_volatility, by_price = np.zeros(total), np.zeros(total)
    for lot in walk.lots:
        table, weight = walk.tables[lot.leg], lot.quantity * MULTIPLIER
        end = lot.closed if lot.closed >= 0 else total - 1
        first, count = int(table.start[lot.opened]), end - lot.opened
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
        by_volatility[over] += weight * table.vega[inside] * np.diff(table.volatility[first : first + count + 1])
    change = np.diff(walk.rows.spot, prepend=walk.rows.spot[0])
    options = value + flow
    options[1:] -= value[:-1]
    hedge = walk.shares * walk.underlying
    charged = np.zeros((total, len(CAUSES)))
    _charge(charged, walk, costs)
    charged[:, -1] = walk.traded * costs.hedge_per_unit
    parts = {
        "delta": net["delta"] * change,
        "gamma": 0.5 * net["gamma"] * change**2,
        "vega": by_volatility,
        "theta": net["theta"] * walk.rows.years_since_last(),
        "hedge": hedge,
        "costs": -charged.sum(axis=1),
    }
    parts["residual"] = by_price - sum(parts[name] for name in GREEKS)
    pnl = options + hedge - charged.sum(axis=1)
    identities = _prove(walk, pnl, parts, float(np.abs(value).max(initial=0.0)))
    return Accounts(pnl, options, hedge, charged, net, parts, _capital(walk), identities)


def rows_of(trade: Trade, total: int) -> slice:
    """Rows that a trade earns and pays on."""
    return slice(trade.opened + 1, (trade.closed if trade.closed >= 0 else total - 1) + 1)


def _charge(charged: FloatArray, walk: Walk, costs: ExecutionCosts) -> None:
    """Book what every fill cost: openings on the row that begins then, closings on the row that ends then."""
    for leg, table in enumerate(walk.tables):
        lots = [lot for lot in walk.lots if lot.leg == leg]
        for opening in (True, False):
            for side in (1, -1):
                _charge_side(charged, walk, costs, table, lots, opening, side)


def _charge_side(
    charged: FloatArray,
    walk: Walk,
    costs: ExecutionCosts,
    table: LegTable,
    lots: list[Lot],
    opening: bool,
    side: int,
) -> None:
    traded = [lot for lot in lots if opening or (lot.closed >= 0 and not lot.settled)]
    traded = [lot for lot in traded if (lot.quantity * side > 0) == opening]
    if not traded:
        return
    filled: IntArray = np.array([lot.opened for lot in traded])
    row = filled if opening else np.array([lot.closed for lot in traded])
    cell = table.start[filled] + row - filled
    spot, left = walk.rows.spot[row], table.expiry[filled] - walk.rows.ordinals[row]
    size = abs(table.leg.quantity)
    made = costs.per_contract(
        side * size, table.price[cell], spot, table.strike[filled], left.astype(np.float64), table.points[cell]
    )
    paid = row + 1 if opening else row
    for column, cause in enumerate(CAUSES[:-1]):
        np.add.at(charged[:, column], paid, size * getattr(made, cause))


def _capital(walk: Walk) -> FloatArray:
    """Capital of the unit over each row, as known at its start; within a trade it never falls."""
    total = len(walk.rows)
    capital = np.zeros(total)
    by_trade: dict[int, list[Lot]] = {}
    for lot in walk.lots:
        by_trade.setdefault(lot.trade, []).append(lot)
    for trade in walk.trades:
        rows = rows_of(trade, total)
        lots = by_trade[trade.number]
        last = rows.stop - 1
        edges = {trade.opened, last}
        for lot in lots:
            edges |= {lot.opened, lot.closed if lot.closed >= 0 else last}
        turns = sorted(edges)
        for start, stop in pairwise(turns):
            there = [lot for lot in lots if lot.opened <= start and (lot.closed < 0 or lot.closed >= stop)]
            tables = [walk.tables[lot.leg] for lot in there]
            cells = [table.cell(lot.opened, start) for table, lot in zip(tables, there, strict=True)]
            capital[start + 1 : stop + 1] = unit_capital(
                [lot.quantity for lot in there],
                [table.leg.kind for table in tables],
                [float(table.strike[lot.opened]) for table, lot in zip(tables, there, strict=True)],
                [int(table.expiry[lot.opened]) for table, lot in zip(tables, there, strict=True)],
                np.array([table.price[at : at + stop - start] for table, at in zip(tables, cells, strict=True)]),
                walk.rows.spot[start:stop],
            )
        capital[rows] = np.maximum.accumulate(capital[rows])
    return capital


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
