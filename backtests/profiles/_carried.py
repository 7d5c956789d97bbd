"""What a position that is carried ties up, and what it would cost to hold more or less of it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from allocopt.backtests.profiles._inputs import FloatArray
from allocopt.backtests.profiles._records import Lot, rows_of
from allocopt.backtests.profiles._walk import Walk
from allocopt.backtests.profiles.capital import unit_capital


def capital_needed(walk: Walk) -> FloatArray:
    """Capital of the whole unit over each row, as known at its start; within a trade it never falls."""
    total = len(walk.rows)
    capital = np.zeros(total)
    by_trade: dict[int, list[Lot]] = {}
    for lot in walk.lots:
        by_trade.setdefault(lot.trade, []).append(lot)
    for trade in walk.trades:
        rows = rows_of(trade, total)
        last = rows.stop - 1
        # Parts of one leg are of the same option: each option counts once, and in full.
        options: dict[tuple[int, int], list[int]] = {}
        for lot in by_trade[trade.number]:
            end = lot.closed if lot.closed >= 0 else last
            span = options.setdefault((lot.leg, lot.origin), [lot.opened, end])
            span[0], span[1] = min(span[0], lot.opened), max(span[1], end)
        turns = sorted({trade.opened, last} | {row for span in options.values() for row in span})
        for start, stop in pairwise(turns):
            there = [key for key, (opened, closed) in options.items() if opened <= start and closed >= stop]
            found = _needed(walk, trade.direction, trade.units, there, start, stop)
            capital[start + 1 : stop + 1] = found
        if walk.specification.delta_hedge is not None:
            capital[rows] += np.abs(walk.delta[rows]) * walk.costs.hedge_per_unit
        capital[rows] = np.maximum.accumulate(capital[rows])
    return capital


def _needed(
    walk: Walk, direction: int, units: float, options: list[tuple[int, int]], start: int, stop: int
) -> FloatArray:
    """Premiums and margins at the closes from start to before stop, and the costs of getting in and out of them."""
    tables = [walk.tables[leg] for leg, _ in options]
    quantities = [table.leg.quantity * direction for table in tables]
    cells = [table.cell(origin, start) for table, (_, origin) in zip(tables, options, strict=True)]
    capital = unit_capital(
        quantities,
        [table.leg.kind for table in tables],
        [float(table.strike[origin]) for table, (_, origin) in zip(tables, options, strict=True)],
        [int(table.expiry[origin]) for table, (_, origin) in zip(tables, options, strict=True)],
        np.array([table.price[at : at + stop - start] for table, at in zip(tables, cells, strict=True)]),
        walk.rows.spot[start:stop],
    )
    for table, quantity, (_, origin), at in zip(tables, quantities, options, cells, strict=True):
        tier = walk.costs.tier_of(quantity, units)
        entry = table.cost(quantity, tier)[table.cell(origin, origin)]
        capital = capital + abs(quantity) * (entry + table.cost(-quantity, tier)[at : at + stop - start])
    return capital


def resizing_costs(walk: Walk) -> FloatArray:
    """Money to add, and to remove, one unit of what is held over a row and the one before, at the close between."""
    total = len(walk.rows)
    found = np.zeros((total, 2))
    for lot in walk.lots:
        table, end = walk.tables[lot.leg], lot.closed if lot.closed >= 0 else total - 1
        first, last = lot.opened + 1, end - 1  # closes at which it is neither opened nor closed
        if last < first:
            continue
        tier, at = walk.tier(lot), table.cell(lot.origin, first)
        for column, side in enumerate((lot.quantity, -lot.quantity)):
            cost = table.cost(side, tier)[at : at + last - first + 1]
            found[first + 1 : last + 2, column] += abs(lot.quantity) * cost
    held = walk.holding[:-1] >= 0
    kept = np.zeros(total, dtype=np.bool_)
    kept[1:] = held[1:] & held[:-1]  # trades follow each other without a row between by a roll only: the hedge stays
    hedge = np.zeros(total)
    hedge[1:] = np.abs(walk.shares[:-1]) * walk.costs.hedge_per_unit
    found[kept] += hedge[kept, None]
    return found
