"""How many units an order is for."""

from __future__ import annotations

import numpy as np

from allocopt.backtests._checks import day
from allocopt.backtests.profiles._inputs import Rows
from allocopt.backtests.profiles._records import Trade
from allocopt.backtests.profiles._tables import LegTable
from allocopt.backtests.profiles.capital import unit_capital
from allocopt.backtests.profiles.costs import ExecutionCosts
from allocopt.backtests.profiles.specification import ProfileSpecification
from allocopt.errors import InputError


def order_units(
    specification: ProfileSpecification, tables: list[LegTable], rows: Rows, costs: ExecutionCosts, trade: Trade
) -> float:
    """Units of a trade's orders, from the premiums and margins of one unit at the fill."""
    row = trade.opened
    if costs.order_capital is None:
        return costs.units
    prices = np.array([table.price[table.cell(row, row)] for table in tables])
    if np.isnan(prices).any():
        raise InputError(
            "the surface has no volatility for an option that is held",
            where=f"{day(rows.dates[row])}, {tables[int(np.isnan(prices).argmax())].leg.label}",
            remedy="start where the surface does, or give one that covers these dates and strikes",
        )
    needed = unit_capital(
        [leg.quantity * trade.direction for leg in specification.legs],
        [leg.kind for leg in specification.legs],
        [float(table.strike[row]) for table in tables],
        [int(table.expiry[row]) for table in tables],
        prices,
        rows.spot[row],
    )
    return costs.units_of(float(needed))
