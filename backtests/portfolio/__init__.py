"""The portfolio as a whole: its P&L, where it came from, how much was held, and what rotating cost.

Only `aggregate_pnl` takes decided weights. The rest takes what is on the rows of the ledger already: executed weights,
P&L and costs, and regimes brought there by `allocopt.backtests.accounting.in_force`.
"""

from allocopt.backtests.portfolio.parts import Attribution, attribution
from allocopt.backtests.portfolio.pnl import PortfolioPnl, aggregate_pnl, exposure_over_time
from allocopt.backtests.portfolio.rotations import RotationCost, Rotations, rotation_cost, rotation_frequency

__all__ = [
    "Attribution",
    "PortfolioPnl",
    "RotationCost",
    "Rotations",
    "aggregate_pnl",
    "attribution",
    "exposure_over_time",
    "rotation_cost",
    "rotation_frequency",
]
